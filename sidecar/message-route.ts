import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { decodeKeyHeader, keyProblem } from '../lib/routing/routing-key.ts'
import { type ErrorName, serviceError } from '../lib/service/errors.ts'
import { CLIENT_REQUEST_HEADER, DELIVER_HEADER, MESSAGE_PATH, USER_HEADER } from '../lib/service/names.ts'
import { decodeMessage } from '../lib/wire/message.ts'
import type { Outcome } from '../lib/wire/outcome.ts'
import type { Receive } from '../lib/wire/transport/transport.ts'
import { tokenCheck } from './token.ts'

/** Whether a request is another sidecar's message. The balancer marks what comes from clients, whose paths are the app's. */
export function isPeerMessage({ method, url, headers }: IncomingMessage): boolean {
  return method === 'POST' && url === MESSAGE_PATH && headers[CLIENT_REQUEST_HEADER] === undefined
}

const ERROR_OF_OUTCOME: Partial<Record<Outcome, ErrorName>> = { offline: 'OFFLINE', slow_consumer: 'SLOW_CONSUMER' }

/**
 * The receiving end of the HTTP transport: `POST /message` with the recipient in `ws-user-id`, the body one opcode byte and the
 * payload. 204 delivered, 404 not connected here, 400 and 413 bad input, 401 a wrong token, 429 the recipient is too slow.
 */
export async function messageRoute(
  app: FastifyInstance,
  receive: Receive,
  token: string,
  maxPayloadBytes: number,
): Promise<void> {
  await app.register(async scope => {
    scope.addHook('onRequest', tokenCheck(token))
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    scope.post(MESSAGE_PATH, { bodyLimit: maxPayloadBytes + 1 }, async (request, reply) => {
      const user = decodeKeyHeader([request.headers[USER_HEADER] ?? ''].flat().join())
      const problem = user === '' ? `the header ${USER_HEADER} is missing` : keyProblem(user)
      if (problem) throw serviceError('BAD_MESSAGE', problem)
      const deliver = request.headers[DELIVER_HEADER] ?? 'app'
      if (deliver !== 'app' && deliver !== 'client')
        throw serviceError('BAD_MESSAGE', `${DELIVER_HEADER} is neither app nor client`)
      const message = decodeMessage(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0))
      if ('problem' in message) throw serviceError('BAD_MESSAGE', message.problem)
      const error = ERROR_OF_OUTCOME[await receive(user, deliver, message)]
      if (error) throw serviceError(error)
      return reply.code(204).send()
    })
  })
}
