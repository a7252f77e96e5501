import { runProgram } from '../lib/service/program.ts'
import { buildApp } from './app.ts'
import { loadSidecarConfig, sidecarSchema } from './config.ts'

if (import.meta.main) {
  await runProgram({
    name: 'sidecar',
    purpose: "takes WebSockets for its pod's app and routes addressed messages to the pod that owns the recipient",
    schema: sidecarSchema,
    load: loadSidecarConfig,
    build: buildApp,
  })
}
