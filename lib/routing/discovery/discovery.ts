import type { Logger } from '../../service/log/log.ts'
import type { Metrics } from '../../service/metrics.ts'
import type { Member, MemberChange } from '../members.ts'
import type { MemberSet } from '../rendezvous.ts'
import type { DISCOVERIES } from '../routing-settings.ts'
import { dnsSource } from './dns/dns.ts'
import { fileSource } from './file.ts'
import { kubernetesSource } from './kubernetes.ts'
import { MemberWatch } from './member-watch.ts'
import type { MemberSource } from './source.ts'
import { staticSource } from './static.ts'

/** Called after every change of the members. */
export type MemberListener = (members: MemberSet, change: MemberChange) => void

/** Who the members are, now and from now on. */
export interface Discovery {
  readonly members: MemberSet
  /**
   * Names of pods that are on their way out, as far as the source can tell: they still serve whom they have, and take nobody. Some may
   * be members still, where there is no other.
   */
  readonly leaving: ReadonlySet<string>
  /** Whether the source has answered at least once. */
  readonly synced: boolean
  /** What is wrong with its last answer, for a person to read; `undefined`: nothing, or there is none yet. */
  readonly problem: string | undefined
  /** Resolves with the first answer or the first failed attempt; then it keeps trying by itself. */
  start(): Promise<void>
  /** Returns what ends the subscription. Not called for the members that there are already. */
  onChange(listener: MemberListener): () => void
  /** Resolves when nothing runs any more; the members stay readable. */
  stop(): Promise<void>
}

/** The settings that say where members come from. */
export interface DiscoveryConfig {
  readonly DISCOVERY: (typeof DISCOVERIES)[number]
  readonly MEMBERS: readonly Member[]
  readonly MEMBERS_FILE: string
  readonly SRV_DNS_RECORD: string
  readonly SERVICE: string
}

/**
 * How long each source must have named nobody before its list is emptied, in milliseconds. EndpointSlices are right at once, but can be
 * gone for a moment where a Service is made anew; DNS servers cache, and a file may be written in steps.
 */
const GRACE_MS = { static: 0, file: 30_000, dns: 30_000, kubernetes: 5000 } as const

/** The discovery that a program is configured with. */
export function createDiscovery(config: DiscoveryConfig, deps: { log: Logger; metrics?: Metrics }): Discovery {
  return new MemberWatch(sourceOf(config), {
    ...deps,
    source: config.DISCOVERY,
    graceMs: GRACE_MS[config.DISCOVERY],
  })
}

function sourceOf(config: DiscoveryConfig): MemberSource {
  switch (config.DISCOVERY) {
    case 'static':
      return staticSource(config.MEMBERS)
    case 'file':
      return fileSource(config.MEMBERS_FILE)
    case 'dns':
      return dnsSource(config.SRV_DNS_RECORD)
    case 'kubernetes':
      return kubernetesSource(config.SERVICE)
  }
}
