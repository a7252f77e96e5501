import type { Logger } from '../../service/log/log.ts'
import type { Metrics } from '../../service/metrics.ts'
import type { Member } from '../members.ts'
import type { DISCOVERIES } from '../routing-settings.ts'
import { dnsSource } from './dns/dns.ts'
import { fileSource } from './file.ts'
import { kubernetesSource } from './kubernetes.ts'
import { type Discovery, MemberWatch } from './member-watch.ts'
import type { MemberSource } from './source.ts'
import { staticSource } from './static.ts'

export type { Discovery, MemberListener } from './member-watch.ts'

/** Settings that select the source of members. */
export interface DiscoveryConfig {
  readonly DISCOVERY: (typeof DISCOVERIES)[number]
  readonly MEMBERS: readonly Member[]
  readonly MEMBERS_FILE: string
  readonly SRV_DNS_RECORD: string
  readonly SERVICE: string
}

/**
 * How long a source must report no members before its list is emptied, in milliseconds. EndpointSlices are current, but
 * may vanish briefly while a Service is recreated; DNS servers cache; a file may be written in steps.
 */
const GRACE_MS = { static: 0, file: 30_000, dns: 30_000, kubernetes: 5000 } as const

/** Creates the discovery that a program is configured with. */
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
