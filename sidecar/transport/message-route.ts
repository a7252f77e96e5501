import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { errorCodes, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { isConnectionId } from '../../lib/routing/connection-id.ts'
import { decodeKeyHeader, keyProblem } from '../../lib/routing/key/routing-key.ts'
import { type ErrorName, serviceError } from '../../lib/service/http/errors.ts'
import type { Allotment } from '../../lib/service/memory/allotment.ts'
import {
  CLIENT_REQUEST_HEADER,
  CONNECTION_HEADER,
  DELIVER_END,
  DELIVER_HEADER,
  HANDSHAKE_BYTES_HEADER,
  LANE_HEADER,
  MEMBER_HEADER,
  MESSAGE_ID_HEADER,
  MESSAGE_PATH,
  MOVED_TO_HEADER,
  SENDER_HEADER,
  SERVED_HEADER,
  USER_HEADER,
} from '../../lib/service/names.ts'
import { decodeMessage } from '../../lib/websocket/message.ts'
import type { PeerGate } from '../peers/peer-gate.ts'
import { decodeUsers, MAX_ANNOUNCEMENT_BYTES } from './announcement.ts'
import { MAX_INTRODUCTION_BYTES, readServed } from './link/link-frames.ts'
import { readMemberHeader } from './member-header.ts'
import { type Answer, type Deliver, MISDIRECTED, type Outcome, PRECONDITION_REQUIRED } from './outcome.ts'
import type { Origin, Receiver } from './transport.ts'

/**
 * Whether a request has the form of another sidecar's. The balancer marks clients' requests, whose paths belong to the
 * app.
 */
export function isPeerMessage({ method, url, headers }: IncomingMessage): boolean {
  return (method === 'POST' || method === 'PUT') && url === MESSAGE_PATH && headers[CLIENT_REQUEST_HEADER] === undefined
}

const ERROR_OF_OUTCOME: Partial<Record<Outcome, ErrorName>> = { offline: 'OFFLINE', slow_consumer: 'SLOW_CONSUMER' }

export interface MessageRouteOptions {
  readonly inbox: Receiver
  readonly gate: Pick<PeerGate, 'isPeer' | 'admit' | 'recognize' | 'proves'>
  readonly maxPayloadBytes: number
  /** Limit for all requests together; unlimited by default. */
  readonly memory?: Allotment
}

/**
 * The receiving end of the HTTP transport, a Fastify plugin. `POST /message` has the recipient in `ws-user-id` and a
 * body of one opcode byte and the payload. Statuses: 204 delivered, 404 not connected here, 421 at another member or
 * recently gone, 400 and 413 bad input, 401 wrong token, 428 sender's connection unknown here, 429 recipient too slow.
 * `PUT /message` announces users of another member.
 */
export async function messageRoute(app: FastifyInstance, options: MessageRouteOptions): Promise<void> {
  const { inbox, gate, maxPayloadBytes, memory } = options
  const bodyLimit = maxPayloadBytes + 1 + MAX_INTRODUCTION_BYTES
  /** Requests whose sender has proven the member name that it claims. */
  const proven = new WeakSet<IncomingMessage>()
  app.addHook('onRequest', async ({ raw, headers, method }) => {
    // If clients' plain requests are not passed to the app, they arrive here.
    if (!isPeerMessage(raw) || !gate.isPeer(raw)) throw serviceError('UPGRADE_REQUIRED')
    const standing = await (method === 'POST' ? gate.admit(raw) : gate.recognize(raw))
    // For a message, the member header says where replies go.
    if (method !== 'PUT' && headers[MEMBER_HEADER] === undefined) return
    if (gate.proves(raw, standing, readMemberHeader(headers))) proven.add(raw)
  })
  if (memory) app.addHook('onRequest', reserve(memory, bodyLimit))
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.post(MESSAGE_PATH, { bodyLimit }, async ({ headers, body }, reply) => {
    if (headers[DELIVER_HEADER] === DELIVER_END) {
      inbox.ended(readConnection(headers))
      return reply.code(204).send()
    }
    const routed = readRoutedMessage(headers, body)
    if (routed.message.data.length > maxPayloadBytes) throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE()
    const order = readOrder(headers)
    const answer = await (order
      ? inbox.from(order.sender).receiveLoose({ ...routed, ...order, start: true, repeated: false })
      : inbox.receive(routed))
    return sendAnswer(reply, answer)
  })
  app.put(MESSAGE_PATH, { bodyLimit: MAX_ANNOUNCEMENT_BYTES }, async ({ raw, headers, body }, reply) => {
    const member = readMemberHeader(headers)
    const users = Buffer.isBuffer(body) ? decodeUsers(body) : undefined
    if (!users) throw serviceError('BAD_MESSAGE', 'the body is no list of users')
    if (proven.has(raw)) inbox.addVerified(member)
    inbox.announced(member, users)
    return reply.code(204).send()
  })
}

/** Creates the hook that reserves memory before a body is read; it throws `WSO_ERR_NO_MEMORY` (503). */
const reserve = (memory: Allotment, bodyLimit: number) => async (request: FastifyRequest, reply: FastifyReply) => {
  // A body without a length may reach the limit.
  const most = request.method === 'PUT' ? MAX_ANNOUNCEMENT_BYTES : bodyLimit
  const bytes = Math.min(most, Number(request.headers['content-length'] ?? most))
  if (!memory.has(bytes)) throw serviceError('NO_MEMORY')
  memory.change(bytes)
  reply.raw.once('close', () => memory.change(-bytes))
}

function readRoutedMessage(headers: IncomingHttpHeaders, body: unknown) {
  const user = decodeKeyHeader([headers[USER_HEADER] ?? ''].flat().join())
  const problem = user === '' ? `the header ${USER_HEADER} is missing` : keyProblem(user)
  if (problem) throw serviceError('BAD_MESSAGE', problem)
  const deliver = headers[DELIVER_HEADER] ?? 'app'
  if (!isDeliver(deliver)) throw serviceError('BAD_MESSAGE', `${DELIVER_HEADER} is none of ${DELIVERS.join(', ')}`)
  const deliveredTo = headers[SERVED_HEADER]
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0)
  const { origin, start } = deliver === 'sender' ? readOrigin(headers, bytes) : { origin: undefined, start: 0 }
  const message = decodeMessage(bytes.subarray(start))
  if ('problem' in message) throw serviceError('BAD_MESSAGE', message.problem)
  return {
    user,
    deliver,
    message,
    deliveredTo: typeof deliveredTo === 'string' ? readServed(deliveredTo) : undefined,
    origin,
    via: headers[MEMBER_HEADER] === undefined ? undefined : readMemberHeader(headers),
  } as const
}

const DELIVERS = ['sender', 'app', 'client', 'reply'] as const satisfies Deliver[]

const isDeliver = (text: string | string[]): text is Deliver => DELIVERS.some(deliver => deliver === text)

function readConnection(headers: IncomingHttpHeaders): string {
  const id = [headers[CONNECTION_HEADER] ?? ''].flat().join()
  if (!isConnectionId(id)) throw serviceError('BAD_MESSAGE', `the header ${CONNECTION_HEADER} is no id of a connection`)
  return id
}

/** The sender's connection, and the message's start in the body. */
function readOrigin(headers: IncomingHttpHeaders, body: Buffer): { origin: Origin; start: number } {
  const id = readConnection(headers)
  if (headers[HANDSHAKE_BYTES_HEADER] === undefined) return { origin: { id, handshake: undefined }, start: 0 }
  const start = readNumber(headers, HANDSHAKE_BYTES_HEADER)
  if (start > MAX_INTRODUCTION_BYTES || start > body.length)
    throw serviceError('BAD_MESSAGE', `the header ${HANDSHAKE_BYTES_HEADER} says more than there is`)
  return { origin: { id, handshake: body.subarray(0, start) }, start }
}

/** The sender and the message's place in its order; a sender that does not send these keeps no order. */
function readOrder(headers: IncomingHttpHeaders): { sender: string; id: number; lane: number } | undefined {
  const sender = headers[SENDER_HEADER]
  if (typeof sender !== 'string') return undefined
  return { sender, id: readNumber(headers, MESSAGE_ID_HEADER), lane: readNumber(headers, LANE_HEADER) }
}

function readNumber(headers: IncomingHttpHeaders, name: string): number {
  const text = headers[name]
  const value = Number(text)
  if (typeof text !== 'string' || !/^\d{1,10}$/.test(text) || value > 0xffffffff)
    throw serviceError('BAD_MESSAGE', `the header ${name} is no number of 32 bits`)
  return value
}

function sendAnswer(reply: FastifyReply, answer: Answer): FastifyReply {
  if (typeof answer !== 'string') {
    if (answer.introduce) return reply.code(PRECONDITION_REQUIRED).send()
    if (answer.member !== undefined) reply.header(MOVED_TO_HEADER, answer.member)
    return reply.code(MISDIRECTED).send()
  }
  const error = ERROR_OF_OUTCOME[answer]
  if (error) throw serviceError(error)
  if (answer !== 'delivered') throw serviceError('BAD_MESSAGE', answer)
  return reply.code(204).send()
}
