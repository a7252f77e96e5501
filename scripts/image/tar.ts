import { createReadStream, statSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { type Pack, pack } from 'tar-stream'

/** One entry of a tar archive; a path has no leading slash. */
export type TarEntry =
  | { readonly type: 'directory'; readonly path: string; readonly mode: number }
  | {
      readonly type: 'file'
      readonly path: string
      readonly mode: number
      /** Size of the content in bytes. */
      readonly size: number
      /** The content; asked for each time the entry is written. */
      readonly read: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>
    }

/** An entry whose content is in memory. */
export function dataEntry(path: string, data: Uint8Array, mode = 0o644): TarEntry {
  return { type: 'file', path, mode, size: data.byteLength, read: () => [data] }
}

/** An entry whose content is a file on disk, read when it is written. */
export function diskEntry(path: string, source: string, mode = 0o644): TarEntry {
  const read = () => createReadStream(source, { highWaterMark: 1 << 20 })
  return { type: 'file', path, mode, size: statSync(source).size, read }
}

/** Owner, group and time of each entry. */
const FIXED = { uid: 0, gid: 0, mtime: new Date(0) }

/**
 * Writes entries as a POSIX ustar archive. Owner and group are root and times are zero, so that equal content gives equal bytes.
 *
 * @returns the archive; reading it throws where a content is not as long as its entry says
 */
export function tar(entries: Iterable<TarEntry>): AsyncIterable<Uint8Array> {
  const archive = pack()
  writeAll(archive, entries).then(
    () => archive.finalize(),
    (error: Error) => archive.destroy(error),
  )
  return archive as AsyncIterable<Uint8Array>
}

async function writeAll(archive: Pack, entries: Iterable<TarEntry>): Promise<void> {
  for (const entry of entries) {
    const { path: name, mode, type } = entry
    if (type === 'directory') archive.entry({ ...FIXED, name: `${name}/`, mode, type })
    else await pipeline(content(entry), archive.entry({ ...FIXED, name, mode, type, size: entry.size }))
  }
}

/** A longer content than announced would be read as the next entry's header. */
async function* content({ path, size, read }: Extract<TarEntry, { type: 'file' }>): AsyncGenerator<Uint8Array> {
  let written = 0
  for await (const chunk of read()) {
    written += chunk.byteLength
    yield chunk
  }
  if (written !== size) throw new Error(`${path} changed while it was packed: ${written} bytes, not ${size}`)
}
