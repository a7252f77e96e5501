import { type Program, runProgram } from '../lib/service/program.ts'
import { buildApp } from './app.ts'
import { type HooksConfig, hooksSchema, loadHooksConfig } from './config.ts'

/** The hooks as a process. */
export const hooks: Program<HooksConfig> = {
  name: 'hooks',
  purpose: 'answers Metacontroller: which Deployments get a sidecar, and what a WebSocketBalancer consists of',
  schema: hooksSchema,
  load: loadHooksConfig,
  build: buildApp,
}

if (import.meta.main) await runProgram(hooks)
