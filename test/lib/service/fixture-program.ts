import fastify from 'fastify'
import { Type } from 'typebox'
import { baseSettings } from '../../../lib/service/base-settings.ts'
import { loadConfig } from '../../../lib/service/config.ts'
import { runProgram } from '../../../lib/service/program.ts'

/** What the program does wrong, or slowly: one of these. */
const schema = Type.Object({
  ...baseSettings(0),
  BEHAVIOUR: Type.Enum(
    ['good', 'slow-drain', 'slow-build', 'bad-build', 'bad-drain', 'throws', 'slow-hand-over', 'bad-hand-over'],
    { default: 'good' },
  ),
  HAND_OVER_MS: Type.Integer({ default: 60_000 }),
  WORKERS: Type.Integer({ default: 1 }),
  NEEDED: Type.String({ description: 'Something that has no default.' }),
})

const never = () => new Promise<never>(() => {})

await runProgram({
  name: 'fixture',
  purpose: 'is started by a test',
  commands: ['  dance   is not really one'],
  schema,
  load: env => loadConfig(schema, {}, env),
  workers: ({ WORKERS }) => WORKERS,
  handOverMs: ({ HAND_OVER_MS }) => HAND_OVER_MS,
  build: async ({ BEHAVIOUR }, { log, instance }) => {
    if (BEHAVIOUR === 'bad-build') throw new Error('the flux capacitor is missing')
    if (BEHAVIOUR === 'slow-build') await never()
    const app = fastify()
    let release: (() => void) | undefined
    app.get('/', async () => instance)
    app.get('/pid', async () => String(process.pid))
    app.post('/release', async () => release?.())
    app.post('/spin', async () => {
      for (;;);
    })
    app.post('/throw', async () => {
      setImmediate(() => {
        throw new Error('nobody catches this')
      })
    })
    return {
      app,
      notReady: () => (BEHAVIOUR === 'good' ? undefined : `it is here for ${BEHAVIOUR}`),
      handOver: async deadline => {
        log.info({ left: deadline - Date.now() }, 'asked to hand over')
        if (BEHAVIOUR === 'bad-hand-over') throw new Error('nobody takes it')
        if (BEHAVIOUR === 'slow-hand-over') await new Promise<void>(resolve => (release = resolve))
        return 'somebody has it'
      },
      drain: async deadline => {
        log.info({ left: deadline - Date.now() }, 'draining')
        if (BEHAVIOUR === 'bad-drain') throw new Error('drain failed')
        if (BEHAVIOUR === 'slow-drain') await new Promise<void>(resolve => (release = resolve))
      },
    }
  },
})
