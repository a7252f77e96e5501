import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'
import type { Test } from 'tap'

const TYPES = { 1: 'A', 16: 'TXT', 28: 'AAAA', 33: 'SRV' } as const
type RecordType = (typeof TYPES)[keyof typeof TYPES]

/** Records by `name TYPE`: addresses, texts, or `port target` for SRV. A question that is not there is answered with NXDOMAIN. */
export type Zone = Record<string, readonly string[]>

/** Response codes of RFC 1035, section 4.1.1. */
const NO_ERROR = 0
const SERVER_FAILURE = 2
const NO_SUCH_NAME = 3

/**
 * A DNS server on UDP (RFC 1035, RFC 2782) that answers from a zone which the test may change at any time; the value
 * `['SERVFAIL']` makes it fail, `['IGNORE']` makes it say nothing.
 */
export async function startDnsServer(t: Test, zone: Zone): Promise<{ address: string; asked: string[] }> {
  const asked: string[] = []
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address }) => {
    const { name, type, end } = readQuestion(query)
    const question = `${name} ${type}`
    asked.push(question)
    const values = zone[question]
    if (values?.[0] === 'IGNORE') return
    const failed = values?.[0] === 'SERVFAIL'
    const records = failed || !values ? [] : values.map(value => answer(type, value))
    const code = failed ? SERVER_FAILURE : values ? NO_ERROR : NO_SUCH_NAME
    const header = Buffer.alloc(12)
    header.writeUInt16BE(query.readUInt16BE(0), 0)
    header.writeUInt16BE(0x8580 | code, 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(records.length, 6)
    socket.send(Buffer.concat([header, query.subarray(12, end), ...records]), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  return { address: `127.0.0.1:${socket.address().port}`, asked }
}

function readQuestion(query: Buffer): { name: string; type: RecordType | 'other'; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += length + 1
  }
  const type = TYPES[query.readUInt16BE(at + 1) as keyof typeof TYPES] ?? 'other'
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 }
}

function answer(type: string, value: string): Buffer {
  const [code, data] = dataOf(type, value)
  const head = Buffer.alloc(12)
  // The name is a pointer to that of the question.
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(code, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(5, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function dataOf(type: string, value: string): [code: number, data: Buffer] {
  if (type === 'SRV') return [33, srvData(value)]
  if (type === 'TXT') return [16, Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])]
  return isIPv4(value) ? [1, v4Data(value)] : [28, v6Data(value)]
}

const v4Data = (address: string) => Buffer.from(address.split('.').map(Number))

/** Of an address without `::` that is written in full. */
const v6Data = (address: string) => Buffer.from(address.replaceAll(':', ''), 'hex')

function srvData(value: string): Buffer {
  const [port = '', target = ''] = value.split(' ')
  const fixed = Buffer.alloc(6)
  fixed.writeUInt16BE(10, 2)
  fixed.writeUInt16BE(Number(port), 4)
  const labels = target.split('.').map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  return Buffer.concat([fixed, ...labels, Buffer.from([0])])
}
