import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

/** The one of {@link UNWRITABLE} in which a write waits for ever. */
export const BLOCKS = 'a full pipe that nobody reads'

/** Places for a log that take nothing, as descriptors for a child's standard output. */
export const UNWRITABLE: Readonly<Record<string, (t: Test) => number>> = {
  [BLOCKS]: t => {
    const { reader, writer } = fullPipe(t)
    t.teardown(() => closeSync(reader))
    return writer
  },
  'a pipe whose reader has gone': t => {
    const { reader, writer } = fullPipe(t)
    closeSync(reader)
    return writer
  },
  'a full disk': t => {
    const full = openSync('/dev/full', 'w')
    t.teardown(() => closeSync(full))
    return full
  },
}

/** The ends of a named pipe: reading does not wait, writing does. The caller closes the reader. */
export function namedPipe(t: Test): { reader: number; writer: number } {
  const path = join(t.testdir(), 'log')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, 'w')
  return { reader, writer }
}

/** One that is full. */
function fullPipe(t: Test): { reader: number; writer: number } {
  const path = join(t.testdir(), 'log')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const filler = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  try {
    for (;;) writeSync(filler, Buffer.alloc(4096, ' '))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  }
  closeSync(filler)
  const writer = openSync(path, 'w')
  t.teardown(() => closeSync(writer))
  return { reader, writer }
}
