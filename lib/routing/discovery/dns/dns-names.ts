import { readFileSync } from 'node:fs'

/**
 * The full names to ask for, in order, each with the final dot that keeps everybody else from adding a domain. `node:dns` does not use
 * the search list that `getaddrinfo` uses.
 *
 * @param search domains; the root (`.`), as some nodes have it, adds nothing
 */
export function candidates(record: string, search: readonly string[]): string[] {
  if (record.endsWith('.')) return [record]
  return [...new Set([...search.map(domain => full(`${record}.${domain}`)), full(record)])]
}

const full = (name: string): string => `${name.replace(/\.+$/, '')}.`

/** The domains of `/etc/resolv.conf`; of several lines the last one counts (resolv.conf(5)). */
export function searchDomains(): string[] {
  try {
    const line = readFileSync('/etc/resolv.conf', 'utf8')
      .split('\n')
      .findLast(text => /^search\s/.test(text))
    return line?.trim().split(/\s+/).slice(1) ?? []
  } catch {
    return []
  }
}

/**
 * Names that every DNS server of a cluster knows (https://github.com/kubernetes/dns, specification.md: 2.3.1 and 2.2), for the clusters
 * that these names would be in. Only a server that knows one can say of a Service's name that there is nothing.
 */
export function witnesses(names: readonly string[]): { readonly service: string; readonly version: string }[] {
  const zones = new Set(names.flatMap(name => /\.svc\.(.+)$/.exec(name)?.[1] ?? []))
  return [...zones].map(zone => ({ service: `kubernetes.default.svc.${zone}`, version: `dns-version.${zone}` }))
}
