/** Parses the text of an annotation; throws an `Error` whose message continues "must be …". */
export type Parse<T> = (text: string) => T

/** A whole number, both bounds included. */
export const integer =
  (minimum: number, maximum: number): Parse<number> =>
  text => {
    const value = Number(text)
    if (/^\d{1,10}$/.test(text) && value >= minimum && value <= maximum) return value
    throw new Error(`a whole number from ${minimum} to ${maximum}`)
  }

/** One of a few words. */
export const oneOf =
  <const T extends string>(values: readonly T[]): Parse<T> =>
  text => {
    const value = values.find(candidate => candidate === text)
    if (value !== undefined) return value
    throw new Error(values.length === 1 ? `${values[0]}` : `one of ${values.join(', ')}`)
  }

/** Text of 1 to `maximum` characters that matches `pattern`; `what` describes it. */
export const matching =
  (pattern: RegExp, maximum: number, what: string): Parse<string> =>
  text => {
    if (text.length <= maximum && pattern.test(text)) return text
    throw new Error(what)
  }

/** A name that a Service may have (DNS label of RFC 1035). */
export const isServiceName = (text: string): boolean => text.length <= 63 && /^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(text)

/** @see {@link isServiceName} */
export const serviceName: Parse<string> = text => {
  if (isServiceName(text)) return text
  throw new Error('a name of at most 63 lower-case letters, digits and hyphens that starts with a letter')
}

/** A port's number, or its name (IANA service name of RFC 6335: at most 15 characters, one of them a letter). */
export const port: Parse<number | string> = text => {
  if (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535) return Number(text)
  if (text.length <= 15 && /[a-z]/.test(text) && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text)) return text
  throw new Error('a port number from 1 to 65535 or the name of a container port')
}

/**
 * A cpu quantity as the API server would write it, so that applying it again changes nothing: `0.1` becomes `100m`, `1000m`
 * becomes `1`.
 */
export const cpu: Parse<string> = text => {
  const match = /^(\d{1,6})(?:(m)|\.(\d{1,3}))?$/.exec(text)
  const [, whole = '', milli, decimals = ''] = match ?? []
  const value = milli ? Number(whole) : Number(whole) * 1000 + Number(decimals.padEnd(3, '0'))
  if (!match || value === 0) throw new Error('an amount of cpu such as 10m, 250m or 1')
  return value % 1000 === 0 ? String(value / 1000) : `${value}m`
}

/** Thousandths of a core of what {@link cpu} returns. */
export const cpuMillis = (text: string): number =>
  text.endsWith('m') ? Number(text.slice(0, -1)) : Number(text) * 1000

const BINARY_UNITS = ['Ki', 'Mi', 'Gi'] as const

/** Size in bytes of what {@link memory} returns. */
export const memoryBytes = (text: string): number =>
  Number(text.slice(0, -2)) * 1024 ** (BINARY_UNITS.findIndex(unit => text.endsWith(unit)) + 1)

/** A memory quantity as the API server would write it: `1024Mi` becomes `1Gi`. */
export const memory: Parse<string> = text => {
  const [, digits = '', unit = ''] = /^(\d{1,9})(Ki|Mi|Gi)$/.exec(text) ?? []
  let value = Number(digits)
  if (value === 0) throw new Error('an amount of memory in Ki, Mi or Gi, such as 160Mi')
  let power = (BINARY_UNITS as readonly string[]).indexOf(unit)
  while (power < BINARY_UNITS.length - 1 && value % 1024 === 0) {
    value /= 1024
    power++
  }
  return `${value}${BINARY_UNITS[power]}`
}

const PATH_PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const HOST =
  /^(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*)(?::[0-9]+)?$/
const TAG = /^\w[\w.-]{0,127}$/
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

/**
 * An image reference that a kubelet can parse: `[host[:port]/]path[:tag][@digest]`. With any other, no pod of the rollout would
 * start.
 */
export const imageReference: Parse<string> = text => {
  const [named = '', digest, ...more] = text.split('@')
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1)
  const name = colon < 0 ? named : named.slice(0, colon)
  const [first = '', ...rest] = name.split('/')
  // docker.io may be left out, so the first part is a host only where it cannot be part of a path.
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase())
  const good =
    more.length === 0 &&
    (digest === undefined || DIGEST.test(digest)) &&
    (colon < 0 || TAG.test(named.slice(colon + 1))) &&
    name.length <= 255 &&
    (hasHost
      ? HOST.test(first) && rest.every(part => PATH_PART.test(part))
      : [first, ...rest].every(part => PATH_PART.test(part)))
  if (good) return text
  throw new Error(
    'an image reference such as registry.example.com/team/ws-operator:1.2.3, with no capital letters in its path',
  )
}
