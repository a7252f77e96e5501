import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { AddressBlock, freePort, isFree, noAddresses } from '../../../local/pods/addresses.ts'

/** A port that something listens on, on all addresses of this machine. */
async function takenPort(t: Test): Promise<number> {
  const server = createServer().listen(0, '0.0.0.0')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

t.test('a free port is taken as it is, and nothing is said', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  const said: string[] = []
  t.equal(await freePort('127.0.0.1', port, 'it', line => said.push(line)), port)
  t.strictSame(said, [])
})

t.test('a taken port is said, and another one used', async t => {
  const port = await takenPort(t)
  t.notOk(await isFree('127.0.0.1', port))
  const said: string[] = []
  const found = await freePort('127.0.0.1', port, 'the page', line => said.push(line)).catch(error => error.message)
  if (port >= 55_536) t.match(found, /those 10000, 20000, … higher are all taken/)
  else {
    t.not(found, port)
    t.match(said, [`port ${port} is taken by another program on this machine; the page uses ${found} instead`])
  }
})

t.test('two demos use different addresses, and give them back', async t => {
  const one = await AddressBlock.reserve()
  const two = await AddressBlock.reserve()
  t.teardown(() => two.release())
  const address = one.take()
  t.match(address, /^127\.0\.\d+\.11$/)
  t.not(two.take(), address)
  one.release()
})

t.test('an address that was given back comes again after the others', async t => {
  const block = await AddressBlock.reserve()
  t.teardown(() => block.release())
  const all = Array.from({ length: 20 }, () => block.take())
  t.equal(new Set(all).size, 20)
  t.throws(() => block.take(), /all 20 addresses/)
  block.give(all[4] as string)
  t.equal(block.take(), all[4])
})

t.test('where addresses have to be made, the command is said', async t => {
  t.match(noAddresses(0, 'darwin'), 'for n in $(seq 10 30); do sudo ifconfig lo0 alias 127.0.0.$n up; done')
  t.match(noAddresses(1, 'darwin'), 'end the other one')
  t.match(noAddresses(0, 'linux'), 'no address 127.0.0.10')
})
