import type { Socket } from 'node:net'
import t from 'tap'
import type { ListenerOf, TappedPipe } from '../../../../lib/bridge/pipe/pipe-options.ts'
import { PipeWriter } from '../../../../lib/bridge/pipe/pipe-writer.ts'
import { StopPoint } from '../../../../lib/bridge/pipe/stop-point.ts'

interface Stopped extends TappedPipe<Stopped> {
  stops: number
}

function start() {
  const listener = { onStopped: (pipe: Stopped) => void pipe.stops++ } as Partial<ListenerOf<Stopped>>
  const pipe: Stopped = { stops: 0, listener: listener as ListenerOf<Stopped>, abandon() {} }
  const writer = new PipeWriter({} as Socket)
  return { pipe, writer, stops: new StopPoint(pipe, writer) }
}

t.test('what comes after the place is kept in its order, a copy of what is only lent', async t => {
  const { pipe, writer, stops } = start()
  const lent = Buffer.from('rest')
  stops.stopping = true
  stops.stopHere(lent)
  lent.fill('~')
  writer.lent = false
  const own = Buffer.from(' of it')
  stops.stash(own)
  t.strictSame([pipe.stops, stops.stopped, stops.stopping, stops.bytes], [1, true, false, 10])
  const chunks = stops.take()
  t.equal(Buffer.concat(chunks).toString(), 'rest of it')
  t.equal(chunks[1], own)
  t.strictSame([stops.bytes, stops.take()], [0, []])
})

t.test('a stop can be taken back', async t => {
  const { pipe, stops } = start()
  stops.stopping = true
  stops.clear()
  t.strictSame([pipe.stops, stops.stopped, stops.stopping], [0, false, false])
})
