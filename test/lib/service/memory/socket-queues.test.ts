import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import {
  parseSocketQueues,
  readSocketQueues,
  type SocketQueue,
  socketKey,
} from '../../../../lib/service/memory/socket-queues.ts'
import { waitFor } from '../../../helpers/wait.ts'

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
const REST = ' 00:00000000 00000000     0        0 1233 1 00000000873cfbde 100 0 0 10 0'

function parse(...lines: string[]): Record<string, SocketQueue> {
  const queues = new Map<string, SocketQueue>()
  parseSocketQueues(HEAD + lines.map(line => `${line}${REST}\n`).join(''), queues)
  return Object.fromEntries(queues)
}

t.test('a connection with something in its queues, by its ports and its other end', async t => {
  t.strictSame(
    parse(
      '   0: 00000000:07E8 00000000:0000 0A 00000000:00000000',
      '   1: 0100007F:0BB8 0501A8C0:9F54 01 00010000:00002000',
      '   2: 0100007F:0BB8 0501A8C0:9F55 01 00000FFF:00000000',
      '12345: 0100007F:0BB8 0501A8C0:9F56 01 00000000:00100000',
    ),
    {
      [socketKey(3000, '192.168.1.5', 0x9f54)]: { unsent: 65_536, unread: 8192 },
      [socketKey(3000, '192.168.1.5', 0x9f56)]: { unsent: 0, unread: 1 << 20 },
    },
  )
})

t.test('addresses of IPv6 as Node writes them', async t => {
  const any = '00000000000000000000000000000000:0BB8'
  t.strictSame(
    Object.keys(
      parse(
        `   0: ${any} 0000000000000000FFFF00000100007F:0001 01 00010000:00000000`,
        `   1: ${any} 000080FE00000000FF005450B6E4DFFE:0002 01 00010000:00000000`,
        `   2: ${any} 00000000000000000000000001000000:0003 01 00010000:00000000`,
      ),
    ),
    [socketKey(3000, '::ffff:127.0.0.1', 1), socketKey(3000, 'fe80::5054:ff:fedf:e4b6', 2), socketKey(3000, '::1', 3)],
  )
})

t.test('what is no such file tells nothing', async t => {
  const queues = new Map()
  for (const text of ['', '\n', 'x\ny\nz', HEAD, `${HEAD}   1: 01`]) parseSocketQueues(text, queues)
  t.equal(queues.size, 0)
})

for (const host of ['127.0.0.1', '::1'])
  t.test(`a real connection of ${host} whose other end does not read`, async t => {
    const server = createServer({ pauseOnConnect: true }).listen(0, host)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const writer = connect({ host, port })
    const [[reader]] = (await Promise.all([once(server, 'connection'), once(writer, 'connect')])) as [[Socket], unknown]
    t.teardown(() => {
      writer.destroy()
      reader.destroy()
      server.close()
    })
    writer.write(Buffer.alloc(20_000_000))
    const of = ({ localPort, remoteAddress, remotePort }: Socket) =>
      readSocketQueues().get(socketKey(localPort, remoteAddress, remotePort))
    await waitFor(() => (of(writer)?.unsent ?? 0) > 10_000, 'the kernel has what is written')
    await waitFor(() => (of(reader)?.unread ?? 0) > 10_000, 'and what is not read')
  })
