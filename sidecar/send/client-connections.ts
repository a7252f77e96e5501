import type { Bridge } from '../../lib/bridge/bridge.ts'
import type { Allotment } from '../../lib/service/memory/allotment.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Origin } from '../transport/transport.ts'

/** How long the new member of a moved client is remembered, in milliseconds: replies may arrive for as long. */
const MOVED_MS = 60_000
const MAX_MOVED = 100_000
/** Measured memory of one such entry, rounded up, in bytes. */
const MOVED_BYTES = 250

/**
 * Where a connection's client is served: by this bridge, at a member, or unknown while a bridge here is pending.
 */
export type ClientLocation = { readonly bridge: Bridge } | { readonly member: string } | 'pending'

/** A client's connection to this pod. */
interface Entry {
  readonly bridge: Bridge
  readonly origin: Origin
  pending: boolean
  movedTo: string | undefined
}

/** The connections of this pod's clients, by id. */
export class ClientConnections {
  readonly #byBridge = new Map<Bridge, Entry>()
  /** Two entries with one id belong to one client that is being moved within this pod, the older one first. */
  readonly #byId = new Map<string, Entry[]>()
  readonly #moved: ExpiringMap<string, string>
  readonly #onEnd: (bridge: Bridge, origin: Origin) => void
  readonly #onServed: (id: string) => void

  /**
   * @param onEnd called when a client has left
   * @param onServed called when a client is served here
   * @param memory allotment for the members of moved clients
   */
  constructor(
    onEnd: (bridge: Bridge, origin: Origin) => void,
    onServed: (id: string) => void,
    now: () => number = () => performance.now(),
    memory?: Allotment,
  ) {
    this.#onEnd = onEnd
    this.#onServed = onServed
    this.#moved = new ExpiringMap({
      keepMs: MOVED_MS,
      maxEntries: MAX_MOVED,
      now,
      ...(memory && { memory: { of: memory, bytesOf: () => MOVED_BYTES } }),
    })
  }

  /** @param pending whether it is unknown if the client is served here */
  add(bridge: Bridge, origin: Origin, pending: boolean): void {
    const entry: Entry = { bridge, origin, pending, movedTo: undefined }
    this.#byBridge.set(bridge, entry)
    const entries = this.#byId.get(origin.id)
    if (entries) entries.push(entry)
    else this.#byId.set(origin.id, [entry])
    if (!pending) this.#served(origin.id)
  }

  taken(bridge: Bridge): void {
    const entry = this.#byBridge.get(bridge)
    if (!entry?.pending) return
    entry.pending = false
    this.#served(entry.origin.id)
  }

  #served(id: string): void {
    // It has come back: once it ends here, no other pod has it.
    this.#moved.delete(id)
    this.#onServed(id)
  }

  /** @param member a member's name */
  moved(bridge: Bridge, member: string): void {
    const entry = this.#byBridge.get(bridge)
    if (!entry) return
    entry.movedTo = member
    this.#moved.set(entry.origin.id, member)
  }

  /** The announced move was cancelled. */
  stayed(bridge: Bridge): void {
    const entry = this.#byBridge.get(bridge)
    if (!entry) return
    entry.movedTo = undefined
    this.#moved.delete(entry.origin.id)
  }

  remove(bridge: Bridge): void {
    const entry = this.#byBridge.get(bridge)
    if (!entry) return
    const { id } = entry.origin
    this.#byBridge.delete(bridge)
    const left = this.#byId.get(id)?.filter(other => other !== entry) ?? []
    if (left.length > 0) this.#byId.set(id, left)
    else this.#byId.delete(id)
    // A moved client lives on elsewhere, and an arriving one at its previous pod.
    if (entry.movedTo === undefined && !entry.pending && left.length === 0) this.#onEnd(bridge, entry.origin)
  }

  origin(bridge: Bridge): Origin | undefined {
    return this.#byBridge.get(bridge)?.origin
  }

  /** The handshake of a client connected to this pod. */
  originOf(id: string): Origin | undefined {
    return this.#byId.get(id)?.[0]?.origin
  }

  /** The connection into the app of a client that is served here. */
  serving(id: string): Bridge | undefined {
    return this.#byId
      .get(id)
      ?.find(({ pending, movedTo, bridge }) => isHere(pending, movedTo) && bridge.state === 'open')?.bridge
  }

  /** Where a connection's client is, as far as this pod knows. */
  locate(id: string): ClientLocation | undefined {
    const bridge = this.serving(id)
    if (bridge) return { bridge }
    const entries = this.#byId.get(id)
    if (entries?.some(({ pending }) => pending)) return 'pending'
    const member = entries?.[0]?.movedTo ?? this.#moved.get(id)
    return member === undefined ? undefined : { member }
  }
}

const isHere = (pending: boolean, movedTo: string | undefined): boolean => !pending && movedTo === undefined
