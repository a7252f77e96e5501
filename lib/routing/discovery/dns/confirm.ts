import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { DiscoveryConfig } from '../discovery.ts'
import { isNone, spelled } from './dns-addresses.ts'
import { candidates, searchDomains } from './dns-names.ts'

/** Checks whether a host is a member now. Never rejects. */
export type Confirm = (host: string) => Promise<boolean>

const QUERY_TIMEOUT_MS = 1000
const QUERY_TRIES = 2

type AddressResolver = Pick<Resolver, 'resolve4' | 'resolve6'>

/**
 * Makes the check for a program's discovery. Lists from DNS can be seconds old, because servers cache them. The other
 * sources are current, so a host that they do not list is not confirmed.
 */
export function createConfirm(config: Pick<DiscoveryConfig, 'DISCOVERY' | 'SRV_DNS_RECORD'>): Confirm {
  return config.DISCOVERY === 'dns' ? dnsConfirm(config.SRV_DNS_RECORD) : async () => false
}

/**
 * Queries the name that Kubernetes gives a pod of a headless Service (`10-244-0-5.chat…`). The name is not queried
 * before the pod exists, so no cache has an old answer.
 */
export function dnsConfirm(
  record: string,
  {
    resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES }),
    search = searchDomains(),
  }: { readonly resolver?: AddressResolver; readonly search?: readonly string[] } = {},
): Confirm {
  const services = candidates(record, search).map(name => name.replace(/^(?:_[^.]*\.)+/, ''))
  return async host => {
    if (isIP(host) === 0) return false
    for (const service of services) {
      const result = await hasAddress(resolver, `${spelled(host)}.${service}`, host)
      // Without an answer nothing is confirmed; the list will have the pod a little later.
      if (result !== 'no') return result === 'yes'
    }
    return false
  }
}

/** Whether a name has an address; `unknown` if DNS gave no answer. */
async function hasAddress(resolver: AddressResolver, name: string, host: string): Promise<'yes' | 'no' | 'unknown'> {
  try {
    const addresses = await (isIP(host) === 4 ? resolver.resolve4(name) : resolver.resolve6(name))
    return addresses.includes(host) ? 'yes' : 'no'
  } catch (error) {
    return isNone(error) ? 'no' : 'unknown'
  }
}
