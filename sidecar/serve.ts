import { runProgram } from '../lib/service/program.ts'
import { sidecarSchema } from '../lib/settings/sidecar-settings.ts'
import { buildApp } from './app.ts'
import { loadSidecarConfig } from './config.ts'

/** Runs the sidecar as a process. */
export const run = (): Promise<void> =>
  runProgram({
    name: 'sidecar',
    purpose: "takes WebSockets for its pod's app and routes addressed messages to the pod that owns the recipient",
    commands: [
      '  drain   tells the sidecar of this pod to hand its users over, and waits until it has: the preStop hook',
    ],
    schema: sidecarSchema,
    load: loadSidecarConfig,
    build: buildApp,
    handOverMs: ({ DRAIN_SECONDS }) => DRAIN_SECONDS * 1000,
  })
