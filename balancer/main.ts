import { runProgram } from '../lib/service/program.ts'
import { workerCount } from '../lib/service/workers/count.ts'
import { balancerSchema } from '../lib/settings/balancer-settings.ts'
import { buildApp } from './app.ts'
import { loadBalancerConfig } from './config.ts'

if (import.meta.main) {
  await runProgram({
    name: 'balancer',
    purpose: 'takes WebSocket clients and connects each user to the pod that owns them',
    schema: balancerSchema,
    load: loadBalancerConfig,
    build: buildApp,
    workers: ({ WORKERS }) => workerCount(WORKERS),
  })
}
