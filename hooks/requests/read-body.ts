import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { serviceError } from '../../lib/service/http/errors.ts'
import type { ByteBudget } from './byte-budget.ts'
import { jsonExcess } from './depth-limit.ts'

/**
 * Refuses a request by its headers, before any of its body is read.
 *
 * @throws `WSO_ERR_LENGTH_REQUIRED` (411) or `WSO_ERR_BODY_TOO_LARGE` (413)
 */
export function checkLength(headers: IncomingHttpHeaders, limit: number): void {
  const length = headers['content-length']
  // Metacontroller always sends a length; a chunked body could grow without end.
  if (length === undefined) throw serviceError('LENGTH_REQUIRED')
  if (Number(length) > limit) throw serviceError('BODY_TOO_LARGE', length, limit)
}

/**
 * Reads a body whose length has been checked, and refuses JSON that would cost too much to parse.
 *
 * @throws `WSO_ERR_BUSY` (429) where other requests needed the budget, `WSO_ERR_BAD_REQUEST` (400), or what the stream fails with
 */
export async function readBody(body: Readable, budget: ByteBudget): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  const share = budget.begin(() => {
    chunks.length = 0
    reject(serviceError('BUSY'))
  })
  // A refused body is read to its end and dropped, so that the caller reads the answer.
  body
    .on('data', (chunk: Buffer) => void (share.add(chunk.length) && chunks.push(chunk)))
    .once('end', () => resolve(Buffer.concat(chunks)))
    .once('error', reject)
    .once('close', () => reject(serviceError('CLIENT_GONE')))
  try {
    const text = await promise
    const excess = jsonExcess(text)
    if (excess) throw serviceError('BAD_REQUEST', excess)
    return text.toString('utf8')
  } finally {
    share.end()
  }
}
