import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocketServer } from 'ws'
import { waitFor } from '../helpers/wait.ts'
import { Random } from './random.ts'
import { Recorder } from './recorder.ts'
import { Device } from './user.ts'

function deviceAt(balancer: string): { device: Device; recorder: Recorder } {
  const recorder = new Recorder()
  const random = new Random(1)
  const device = new Device({ name: 'u1/0', balancers: [balancer], users: ['u1', 'u2'], pauseMs: 1, random, recorder })
  return { device, recorder }
}

t.test('a device that is ended does not connect again, also where it never could', async t => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { device, recorder } = deviceAt(`127.0.0.1:${port}`)
  await device.connect()
  device.talk()
  device.terminate()
  await device.quiet()
  await waitFor(() => recorder.events.some(({ e }) => e === 'closed'), 'it is closed')
  t.match(
    recorder.events.filter(({ e }) => e === 'closed'),
    [{ expected: true }],
  )
  await new Promise(resolve => server.close(resolve))

  const { device: lost, recorder: none } = deviceAt(`127.0.0.1:${port}`)
  const connecting = lost.connect()
  lost.terminate()
  await connecting
  t.strictSame(none.events, [])
})
