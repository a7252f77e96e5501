import fastify from 'fastify'
import { createLogger } from '../../../../lib/service/log/log.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'
import { runWorker } from '../../../../lib/service/workers/worker.ts'

/** A worker of a cluster that does what `BEHAVIOUR` says, and writes a line for each thing it is told to do. */
const behaviour = process.env['BEHAVIOUR'] ?? ''
const log = createLogger('fixture', 'here', 'debug', { write: text => void process.stdout.write(text) })
const metrics = new Metrics()
metrics.counter('served_total', 'What it has served.').inc(7)
const app = fastify()
let ready = false

const stop = Promise.withResolvers<void>()
if (!behaviour.endsWith('-stop')) stop.resolve()

// What a test tells it comes on standard input, for the channel is that of the primary.
process.stdin.setEncoding('utf8').on('data', (text: string) => {
  const word = text.trim()
  if (word === 'ready') ready = true
  if (word === 'stop') stop.resolve()
  if (word === 'throw')
    setImmediate(() => {
      throw new Error('nobody catches this')
    })
  log.info(`told: ${word}`)
})

await runWorker({
  served: {
    async start() {
      if (behaviour === 'bad-start') throw new Error('the flux capacitor is missing')
      await app.listen({ host: '127.0.0.1', port: 0 })
      return { address: '127.0.0.1', family: 'IPv4', port: 0 }
    },
    notReady: () => (ready ? undefined : 'not yet'),
    leave: () => log.info('leaving'),
    async stop(deadline) {
      log.info({ deadline, left: deadline - Date.now() }, 'stopping')
      await stop.promise
      await app.close()
    },
  },
  log,
  flushLog: async () => log.info('flushed'),
  metrics,
  limitMs: behaviour === 'endless-stop' ? 300 : 20_000,
})
