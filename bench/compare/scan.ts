/**
 * What it costs to look at a message for its recipient, beside `JSON.parse`: nanoseconds of processor time a byte, the median of nine
 * runs each. The masked column is what a sidecar does with a client's message that is here whole.
 *
 *   node scripts/with-deps.mjs bench/compare/scan.ts
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { AddressFinder } from '../../lib/websocket/addressing/address-finder.ts'
import { SharedByteAllowance } from '../../lib/websocket/byte-allowance.ts'
import { applyMask } from '../../lib/websocket/frames.ts'

const MIB = 1 << 20
const RUNS = 9
/** Bytes that one run looks at, at least. */
const RUN_BYTES = 16 * MIB
const MASK = 0x01020304

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const list = (item: string, bytes: number) => `{"a":[${`${item},`.repeat(bytes / (item.length + 1))}1]}`
const members = (count: number, member: (n: number) => string) =>
  `{${Array.from({ length: count }, (_, n) => member(n)).join()}}`
const chat = (bytes: number, more: object = {}) => {
  const text = JSON.stringify({ type: 'chat', room: 'general', from: 'ann', ...more, text: '' })
  return `${text.slice(0, -2)}${'Hello there, how are you? '.repeat(bytes).slice(0, bytes - text.length)}"}`
}

const CASES: readonly (readonly [string, string])[] = [
  ['chat message, 128 B, to nobody', chat(128)],
  ['chat message, 128 B, addressed', chat(128, { recipientId: 'bob' })],
  ['chat message, 4 KiB, to nobody', chat(4096)],
  ['text of 1 MiB', chat(MIB)],
  ['[{},{},…], 4 MiB', list('{}', 4 * MIB)],
  ['1.2 million names', members(1_200_000, n => `"k${n}":1`)],
  ['names that begin like the field, 4 MiB', members(220_000, n => `"recipientI${n % 10}":"x"`)],
  ['the field again and again, 4 MiB', members(220_000, () => '"recipientId":"x"')],
  ['names in escapes, 4 MiB', members(220_000, () => '"\\u0072\\u0065":1')],
  ['short escapes only, 4 MiB', `{"a":"${'\\n'.repeat(2 * MIB)}"}`],
  ['\\u escapes only, 4 MiB', `{"a":"${'\\u00e9'.repeat((4 * MIB) / 6)}"}`],
  ['one number of 4 MiB', `{"a":${'1'.repeat(4 * MIB)}}`],
  ['numbers of one digit, 4 MiB', list('1', 4 * MIB)],
  ['empty strings, 4 MiB', list('""', 4 * MIB)],
  ['literals, 4 MiB', list('null', 4 * MIB)],
  ['white space, 4 MiB', `{${' '.repeat(4 * MIB)}}`],
  ['nested 500 deep', `{"a":${'['.repeat(499)}${']'.repeat(499)}}`],
]

/** Median of nanoseconds a byte. */
function measure(bytes: number, work: () => unknown): number {
  const times: number[] = []
  const repeat = Math.max(1, Math.ceil(RUN_BYTES / bytes))
  for (let run = 0; run < RUNS; run++) {
    collectGarbage()
    const before = process.cpuUsage().user
    for (let n = 0; n < repeat; n++) work()
    times.push(((process.cpuUsage().user - before) * 1000) / repeat / bytes)
  }
  return times.sort((a, b) => a - b)[RUNS >> 1] as number
}

const finder = new AddressFinder({
  field: 'recipientId',
  withId: false,
  maxBytes: 64 * MIB,
  room: new SharedByteAllowance(0),
})

function row([name, text]: (typeof CASES)[number]): string {
  const payload = Buffer.from(text)
  const masked = Buffer.from(payload)
  applyMask(masked, MASK)
  const scanned = measure(payload.length, () => finder.find(payload))
  const whole = measure(payload.length, () => finder.find(finder.look(masked, 0, masked.length, MASK)))
  // Not a run for each: some take seconds.
  const parsed = measure(Math.max(payload.length, RUN_BYTES / 50), () => JSON.parse(payload.toString()))
  const scale = Math.max(payload.length, RUN_BYTES / 50) / payload.length
  const cells = [scanned, whole, parsed * scale].map(value => value.toFixed(2).padStart(6))
  return `| ${name.padEnd(38)} | ${String(payload.length).padStart(8)} | ${cells.join(' | ')} |`
}

console.log(`| ${'message'.padEnd(38)} |    bytes |   scan | masked |  parse |`)
console.log(`| ${'-'.repeat(38)} | -------: | -----: | -----: | -----: |`)
for (const one of CASES) console.log(row(one))
