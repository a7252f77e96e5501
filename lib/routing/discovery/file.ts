import { type FSWatcher, watch } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { assertUnique, type Member, parseMember } from '../members.ts'
import type { MemberSource } from './source.ts'
import { realTiming, type Timing } from './timing.ts'

const MAX_FILE_BYTES = 1_048_576
/** How often the file is checked without a change event: not every file system reports changes. */
const RECHECK_MS = 5000
/** After the first event, more follow within moments; a file that is not replaced atomically is complete by then. */
const SETTLE_MS = 50

/**
 * Members from a file with a JSON array of `host:port[=weight]`. The folder is watched, because a file is best replaced
 * by renaming another over it, and Kubernetes replaces a ConfigMap by renaming a link next to it.
 */
export function fileSource(path: string, timing: Timing = realTiming): MemberSource {
  return async (sink, signal) => {
    let last: string | undefined
    let hint = new AbortController()
    let watcher: FSWatcher | undefined
    signal.addEventListener('abort', () => hint.abort(), { once: true })
    while (!signal.aborted) {
      hint = new AbortController()
      // Opened anew before each read: the folder itself may have been replaced, and no change is missed.
      watcher?.close()
      watcher = watchFolder(dirname(path), () => hint.abort())
      const found = await look(path)
      const seen = JSON.stringify(found instanceof Error ? found.message : found)
      if (seen !== last) {
        last = seen
        if (found instanceof Error) sink.failed(found)
        else sink.answer(found)
      }
      await timing.sleep(RECHECK_MS, hint.signal)
      await timing.sleep(SETTLE_MS, signal)
    }
    watcher?.close()
  }
}

function watchFolder(folder: string, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, onChange)
    // Without change events, the regular check must do.
    return watcher.on('error', () => watcher.close())
  } catch {
    return undefined
  }
}

async function look(path: string): Promise<Member[] | Error> {
  try {
    // Opened once, because the path may refer to another file by the time its size is known.
    await using file = await open(path)
    const { size } = await file.stat()
    if (size > MAX_FILE_BYTES) throw new Error(`it has ${size} bytes, more than ${MAX_FILE_BYTES}`)
    return parseFile(await file.readFile('utf8'))
  } catch (error) {
    return new Error(`file of members ${path}: ${(error as Error).message}`, { cause: error })
  }
}

/** @throws {Error} that names the problem and the item */
function parseFile(text: string): Member[] {
  const items: unknown = JSON.parse(text)
  if (!Array.isArray(items)) throw new Error('expected a JSON array of "host:port" or "host:port=weight"')
  const members = items.map((item, index) => {
    if (typeof item !== 'string') throw new Error(`item ${index} is ${JSON.stringify(item)}, expected "host:port"`)
    return parseMember(item)
  })
  assertUnique(members)
  return members
}
