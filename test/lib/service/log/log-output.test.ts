import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openLogOutput } from '../../../../lib/service/log/log-output.ts'
import { namedPipe } from '../../../helpers/full-pipe.ts'
import { waitFor } from '../../../helpers/wait.ts'

/** More than waits for a reader. */
const LINE = `${'x'.repeat(99_999)}\n`
const LINES = 20

t.test('a file has each line when it is written, in order', async t => {
  const path = join(t.testdir(), 'log')
  const fd = openSync(path, 'w')
  t.teardown(() => closeSync(fd))
  const output = openLogOutput(fd)
  output.write('first\n')
  output.write('zwei ü\n')
  t.equal(readFileSync(path, 'utf8'), 'first\nzwei ü\n')
  await output.flush(1000)
  t.equal(output.dropped, 0)
})

t.test('a pipe that is read has all lines after a flush', async t => {
  const { reader, writer } = namedPipe(t)
  t.teardown(() => closeSync(reader))
  const output = openLogOutput(writer)
  output.write('first\n')
  output.write('second\n')
  await output.flush(10_000)
  const bytes = Buffer.alloc(100)
  t.equal(bytes.toString('utf8', 0, readSync(reader, bytes)), 'first\nsecond\n')
  t.equal(output.dropped, 0)
})

t.test('a pipe that nobody reads: about 1 MiB waits, the rest is dropped and counted, and a flush ends', async t => {
  const { reader, writer } = namedPipe(t)
  t.teardown(() => closeSync(reader))
  const output = openLogOutput(writer)
  for (let n = 0; n < LINES; n++) output.write(LINE)
  // The pipe itself takes some.
  t.ok(output.dropped > 0 && LINES - output.dropped <= 12, `${output.dropped} are dropped`)
  await output.flush(20)
})

t.test('a pipe that is read again takes lines again', async t => {
  const { reader, writer } = namedPipe(t)
  t.teardown(() => closeSync(reader))
  const output = openLogOutput(writer)
  for (let n = 0; n < LINES; n++) output.write(LINE)
  const { dropped } = output
  t.ok(dropped > 0)
  const bytes = Buffer.alloc(65_536)
  const drain = () => {
    try {
      while (readSync(reader, bytes) > 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
  let flushed = false
  const flush = output.flush(30_000).then(() => (flushed = true))
  await waitFor(() => {
    drain()
    return flushed
  }, 'all that waited is written')
  await flush
  output.write('again\n')
  await output.flush(10_000)
  t.equal(bytes.toString('utf8', 0, readSync(reader, bytes)), 'again\n')
  t.equal(output.dropped, dropped)
})

for (const [what, open] of Object.entries({ 'a pipe whose reader has gone': abandonedPipe, 'a full disk': fullDisk })) {
  t.test(`${what}: lines are dropped and counted, and nothing fails`, async t => {
    const output = openLogOutput(open(t))
    await waitFor(() => {
      output.write('another\n')
      return output.dropped > 0
    }, 'it is noticed')
    const { dropped } = output
    output.write('last\n')
    t.equal(output.dropped, dropped + 1)
    await output.flush(20)
  })
}

t.test('a descriptor that is none: all lines are dropped', async t => {
  const output = openLogOutput(2 ** 30)
  output.write('first\n')
  t.equal(output.dropped, 1)
})

function abandonedPipe(t: Test): number {
  const { reader, writer } = namedPipe(t)
  closeSync(reader)
  return writer
}

function fullDisk(t: Test): number {
  const fd = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(fd))
  return fd
}
