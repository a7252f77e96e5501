import t from 'tap'
import { Metrics } from '../../../lib/service/metrics.ts'

t.test('every name has the prefix, and two sets do not share anything', async t => {
  const [one, two] = [new Metrics(), new Metrics()]
  one.counter('messages_total', 'Messages.').inc()
  two.counter('messages_total', 'Messages.').inc(5)
  one.gauge('queue_bytes', 'Bytes.').set(7)
  one.histogram('duration_seconds', 'Seconds.', { buckets: [0.1, 1] }).observe(0.5)
  const text = await one.registry.metrics()
  t.match(text, /^ws_operator_messages_total 1$/m)
  t.match(text, /^ws_operator_queue_bytes 7$/m)
  t.match(text, /^ws_operator_duration_seconds_bucket\{le="0.1"\} 0$/m)
  t.match(text, /^ws_operator_duration_seconds_bucket\{le="1"\} 1$/m)
  t.match(await two.registry.metrics(), /^ws_operator_messages_total 5$/m)
  for (const line of text.split('\n')) t.match(line, /^$|^#|^ws_operator_/)
})

t.test('memory and processor time of the process are measured when asked', async t => {
  const read = async (name: string) => {
    const text = await metrics.registry.metrics()
    return Number(new RegExp(`^ws_operator_${name} (.+)$`, 'm').exec(text)?.[1])
  }
  const metrics = new Metrics()
  t.ok((await read('process_resident_memory_bytes')) > 1_000_000)
  const before = await read('process_cpu_seconds_total')
  t.ok(before > 0)
  for (const end = performance.now() + 20; performance.now() < end; ) Math.random()
  t.ok((await read('process_cpu_seconds_total')) > before)
})
