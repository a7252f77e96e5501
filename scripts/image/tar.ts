import { createReadStream, statSync } from 'node:fs'

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

const BLOCK = 512

/**
 * Writes entries as a POSIX ustar archive (IEEE Std 1003.1, pax: ustar Interchange Format). Owner and group are root and times
 * are zero, so that equal content gives equal bytes.
 *
 * @throws where a path is longer than 100 bytes, or a content is not as long as its entry says
 */
export async function* tar(entries: Iterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    if (entry.type === 'directory') {
      yield header(`${entry.path}/`, entry.mode, 0, '5')
      continue
    }
    const { size } = entry
    yield header(entry.path, entry.mode, size, '0')
    let written = 0
    for await (const chunk of entry.read()) {
      written += chunk.byteLength
      yield chunk
    }
    if (written !== size) throw new Error(`${entry.path} changed while it was packed: ${written} bytes, not ${size}`)
    if (size % BLOCK !== 0) yield new Uint8Array(BLOCK - (size % BLOCK))
  }
  yield new Uint8Array(2 * BLOCK)
}

function header(path: string, mode: number, size: number, type: string): Uint8Array {
  if (Buffer.byteLength(path) > 100) throw new Error(`the path is too long for a tar archive: ${path}`)
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, offset: number, length: number) =>
    block.write(value.toString(8).padStart(length - 1, '0'), offset)
  block.write(path, 0)
  octal(mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(0, 136, 12)
  block.write(type, 156)
  block.write('ustar\0' + '00', 257)
  // The checksum is taken with its own field as spaces.
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
