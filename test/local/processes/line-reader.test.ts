import t from 'tap'
import { LineReader, parseLog } from '../../../local/processes/line-reader.ts'

t.test('lines, however they are cut', async t => {
  const lines: string[] = []
  const reader = new LineReader(line => lines.push(line))
  const bytes = Buffer.from('eins\nzwölf\n\ndrei')
  for (const byte of bytes) reader.push(Buffer.of(byte))
  t.strictSame(lines, ['eins', 'zwölf'])
  reader.push(Buffer.from('zehn\n'))
  t.equal(lines.at(-1), 'dreizehn')
})

t.test('a line without an end does not pile up', async t => {
  const lines: string[] = []
  const reader = new LineReader(line => lines.push(line))
  for (let n = 0; n < 100; n++) reader.push(Buffer.alloc(1000, 'x'))
  t.equal(lines.length, 1)
  t.ok((lines[0] as string).length <= 70_000)
})

t.test('logs', async t => {
  t.strictSame(parseLog('{"msg":"x"}'), { msg: 'x' })
  t.equal(parseLog('chat listens'), undefined)
  t.equal(parseLog('{broken'), undefined)
})
