import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

/** Places for a log that take nothing, as descriptors for a child's standard output. */
export const DEAF: Readonly<Record<string, (t: Test) => number>> = {
  'a full pipe that nobody reads': t => {
    const { reader, writer } = pipe(t)
    t.teardown(() => closeSync(reader))
    return writer
  },
  'a pipe whose reader has gone': t => {
    const { reader, writer } = pipe(t)
    closeSync(reader)
    return writer
  },
  'a full disk': t => {
    const full = openSync('/dev/full', 'w')
    t.teardown(() => closeSync(full))
    return full
  },
}

/** A named pipe that is full; writing to it blocks. */
function pipe(t: Test): { reader: number; writer: number } {
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
