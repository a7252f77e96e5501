import t from 'tap'
import type { FlowMemory } from '../../../lib/bridge/bridge-options.ts'
import { MemoryUse } from '../../../lib/bridge/memory-use.ts'

t.test('the budget is told of differences, and of none where nothing has changed', async t => {
  const told: Record<'queues' | 'messages', number[]> = { queues: [], messages: [] }
  const memory = {
    queues: { change: (bytes: number) => void told.queues.push(bytes) },
    messages: { change: (bytes: number) => void told.messages.push(bytes) },
  } as Partial<FlowMemory> as FlowMemory
  const use = new MemoryUse(memory)
  use.setQueued('client', 100)
  use.setQueued('client', 100)
  use.setQueued('upstream', 30)
  use.setQueued('client', 0)
  t.strictSame(told.queues, [100, 30, -100])
  use.charge(500)
  use.charge(-200)
  t.strictSame(told.messages, [500, -200])
  t.equal(use.charged, 300)
})

t.test('what the kernel may hold is what was measured, and what has passed since', async t => {
  const use = new MemoryUse({} as FlowMemory)
  use.addUnsent('client', 10)
  use.setUnsent('client', 1000)
  use.addUnsent('client', 5)
  t.strictSame([use.unsent('client'), use.unsent('upstream')], [1005, 0])
})
