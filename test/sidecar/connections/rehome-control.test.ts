import t from 'tap'
import type { Bridge } from '../../../lib/bridge/bridge.ts'
import { encodeControlPing } from '../../../lib/rehome/control-pings.ts'
import type { Identity } from '../../../sidecar/connections/handshake-plan.ts'
import { RehomeControl } from '../../../sidecar/connections/rehome-control.ts'
import { waitFor } from '../../helpers/wait.ts'

const secret = Buffer.alloc(16, 7)
const move = (member: string) => encodeControlPing(secret, { type: 'move', member })

t.test('of many moves of one connection, one is finished at a time, and the last one is answered', async t => {
  const fences: ((read: boolean) => void)[] = []
  const answers: Buffer[] = []
  const connection = {
    context: { secret },
    fence: () => new Promise<boolean>(resolve => fences.push(resolve)),
    passBegun: () => {},
    control: async (_side: string, _opcode: number, payload: Buffer) => answers.push(payload),
  } as unknown as Bridge<Identity>
  const moved: string[] = []
  const control = new RehomeControl({
    accepts: async () => true,
    idle: async () => {},
    movedTo: (_connection, member) => moved.push(member),
    stayed: () => {},
    taken: () => {},
  })
  for (let n = 0; n < 1000; n++) control.onControl(connection, move(`pod-${n}:1`))
  t.equal(moved.length, 1000, 'where it goes is known at once')
  await waitFor(() => fences.length > 0, 'the first is being finished')
  await new Promise(setImmediate)
  t.equal(fences.length, 1)
  fences[0]?.(true)
  await waitFor(() => fences.length > 1, 'the next is being finished')
  fences[1]?.(true)
  await waitFor(() => answers.length === 2, 'both are answered')
  t.strictSame(answers, [move('pod-0:1'), move('pod-999:1')])
  control.onControl(connection, move('pod-b:1'))
  await waitFor(() => fences.length === 3, 'a later one is finished as well')
})
