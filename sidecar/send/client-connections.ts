import type { Bridge } from '../../lib/bridge/bridge.ts'
import type { Allotment } from '../../lib/service/memory/allotment.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Origin } from '../transport/transport.ts'

/** How long it is remembered where a client was moved to, in milliseconds; replies to it may come as long. */
const MOVED_MS = 60_000
const MAX_MOVED = 100_000
/** What that takes, measured and rounded up. Bytes. */
const MOVED_BYTES = 250

/** Where the client of a connection is served: by this bridge, at a member, or, by a bridge that may not be the one, not known yet. */
export type Whereabout = { readonly bridge: Bridge } | { readonly member: string } | 'arriving'

/** A client's connection to this pod. */
interface Entry {
  readonly bridge: Bridge
  readonly origin: Origin
  arriving: boolean
  movedTo: string | undefined
}

/** The connections of this pod's clients by their id. */
export class ClientConnections {
  readonly #byBridge = new Map<Bridge, Entry>()
  /** Two of one id are one client's that is being moved within this pod: the older one first. */
  readonly #byId = new Map<string, Entry[]>()
  readonly #moved: ExpiringMap<string, string>
  readonly #onEnd: (bridge: Bridge, origin: Origin) => void
  readonly #onServed: (id: string) => void

  /**
   * @param onEnd a client has left
   * @param onServed a client is served here now
   * @param memory of what is remembered of those that were moved
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

  /** @param arriving whether it is not known yet that the client is served here */
  add(bridge: Bridge, origin: Origin, arriving: boolean): void {
    const entry: Entry = { bridge, origin, arriving, movedTo: undefined }
    this.#byBridge.set(bridge, entry)
    const entries = this.#byId.get(origin.id)
    if (entries) entries.push(entry)
    else this.#byId.set(origin.id, [entry])
    if (!arriving) this.#served(origin.id)
  }

  taken(bridge: Bridge): void {
    const entry = this.#byBridge.get(bridge)
    if (!entry?.arriving) return
    entry.arriving = false
    this.#served(entry.origin.id)
  }

  #served(id: string): void {
    // It has come back: when it ends here, it is nowhere.
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

  /** It is not after all. */
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
    // One that was moved goes on elsewhere, and one that was arriving where it is.
    if (entry.movedTo === undefined && !entry.arriving && left.length === 0) this.#onEnd(bridge, entry.origin)
  }

  origin(bridge: Bridge): Origin | undefined {
    return this.#byBridge.get(bridge)?.origin
  }

  /** The handshake of a client that has a connection to this pod. */
  originOf(id: string): Origin | undefined {
    return this.#byId.get(id)?.[0]?.origin
  }

  /** The connection into the app of a client that is served here. */
  serving(id: string): Bridge | undefined {
    return this.#byId
      .get(id)
      ?.find(({ arriving, movedTo, bridge }) => isHere(arriving, movedTo) && bridge.state === 'open')?.bridge
  }

  /** Where the client of a connection is, as far as this pod knows. */
  locate(id: string): Whereabout | undefined {
    const bridge = this.serving(id)
    if (bridge) return { bridge }
    const entries = this.#byId.get(id)
    if (entries?.some(({ arriving }) => arriving)) return 'arriving'
    const member = entries?.[0]?.movedTo ?? this.#moved.get(id)
    return member === undefined ? undefined : { member }
  }
}

const isHere = (arriving: boolean, movedTo: string | undefined): boolean => !arriving && movedTo === undefined
