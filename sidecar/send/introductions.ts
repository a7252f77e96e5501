import type { Member } from '../../lib/routing/members.ts'
import type { Deadline } from '../transport/deadline.ts'
import type { Answer } from '../transport/outcome.ts'
import type { Origin, RoutedMessage, Transport } from '../transport/transport.ts'

/** State of one sender's connection. */
interface Known {
  /** The origin without its handshake. */
  readonly bare: Origin
  /** Members that have received the handshake, by name. */
  readonly members: Map<string, Member>
}

/**
 * Transport that sends the handshake of a sender's connection once per member, and again if the member has forgotten
 * it.
 */
export class Introductions implements Transport {
  readonly #transport: Transport
  readonly #known = new WeakMap<Origin, Known>()

  constructor(transport: Transport) {
    this.#transport = transport
  }

  send(member: Member, routed: RoutedMessage, deadline: Deadline): Promise<Answer> {
    const { origin } = routed
    if (!origin?.handshake) return this.#transport.send(member, routed, deadline)
    const { bare, members } = this.#of(origin)
    const isKnown = members.has(member.name)
    members.set(member.name, member)
    if (!isKnown) return this.#transport.send(member, routed, deadline)
    return this.#transport.send(member, bearing(routed, bare), deadline).then(answer => {
      if (typeof answer !== 'string' && answer.introduce) members.delete(member.name)
      return answer
    })
  }

  announce(member: Member, users: readonly string[], deadline: Deadline): Promise<boolean> {
    return this.#transport.announce(member, users, deadline)
  }

  end(member: Member, connection: string): void {
    this.#transport.end(member, connection)
  }

  /** Tells all members that know the connection that it has ended. */
  endAll(origin: Origin): void {
    for (const member of this.#known.get(origin)?.members.values() ?? []) this.#transport.end(member, origin.id)
    this.#known.delete(origin)
  }

  pipelines(member: Member): boolean {
    return this.#transport.pipelines(member)
  }

  close(): void {
    this.#transport.close()
  }

  #of(origin: Origin): Known {
    let known = this.#known.get(origin)
    if (!known) {
      known = { bare: { id: origin.id, handshake: undefined }, members: new Map() }
      this.#known.set(origin, known)
    }
    return known
  }
}

/** Copies only the fields that transports read: a pending message has more. */
const bearing = (
  { user, deliver, message, lane, start, deliveredTo: served }: RoutedMessage,
  origin: Origin,
): RoutedMessage => ({
  user,
  deliver,
  message,
  lane,
  start,
  deliveredTo: served,
  origin,
})
