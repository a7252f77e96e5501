import { readFileSync } from 'node:fs'

/**
 * The full names to query, in order. Each ends with a dot, so that no resolver appends a domain. `node:dns` does not
 * apply the search list that `getaddrinfo` uses.
 *
 * @param search domains; the root (`.`), which some nodes list, adds nothing
 */
export function candidates(record: string, search: readonly string[]): string[] {
  if (record.endsWith('.')) return [record]
  return [...new Set([...search.map(domain => full(`${record}.${domain}`)), full(record)])]
}

const full = (name: string): string => `${name.replace(/\.+$/, '')}.`

/** The search domains of a resolver's configuration; the last `search` line counts (resolv.conf(5)). */
export function searchDomains(file = '/etc/resolv.conf'): string[] {
  try {
    const line = readFileSync(file, 'utf8')
      .split('\n')
      .findLast(text => /^search\s/.test(text))
    return line?.trim().split(/\s+/).slice(1) ?? []
  } catch {
    return []
  }
}

/**
 * Names that every DNS server of a cluster knows (https://github.com/kubernetes/dns, specification.md: 2.3.1 and 2.2),
 * for the cluster domains in `names`. Only a server that knows one of them can prove that a Service does not exist.
 */
export function witnesses(names: readonly string[]): { readonly service: string; readonly version: string }[] {
  const zones = new Set(names.flatMap(name => /\.svc\.(.+)$/.exec(name)?.[1] ?? []))
  return [...zones].map(zone => ({ service: `kubernetes.default.svc.${zone}`, version: `dns-version.${zone}` }))
}
