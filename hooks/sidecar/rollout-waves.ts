import { createHash } from 'node:crypto'

/** Percentage of Deployments by namespace; `*` is any other namespace. */
export type Waves = ReadonlyMap<string, number>

const ANY = '*'
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** Reads `namespace=percent,*=percent`. @throws {Error} naming the part that is wrong */
export function parseWaves(text: string): Waves {
  const waves = new Map<string, number>()
  for (const part of text.split(',')) {
    const [namespace = '', percent = '', ...more] = part.trim().split('=')
    const value = Number(percent)
    if (
      more.length > 0 ||
      !/^\d{1,3}$/.test(percent) ||
      value > 100 ||
      !(namespace === ANY || NAMESPACE.test(namespace))
    )
      throw new Error(
        `${JSON.stringify(part)} must be the name of a namespace, or ${ANY} for all others, with a whole number from 0 to 100, such as prod=10,${ANY}=100`,
      )
    if (waves.has(namespace)) throw new Error(`${namespace} is listed twice`)
    waves.set(namespace, value)
  }
  return waves
}

/** Whether an object is in its namespace's share. An object in one share is in each larger one, too. */
export function inWave(waves: Waves, namespace: string, name: string): boolean {
  const percent = waves.get(namespace) ?? waves.get(ANY) ?? 0
  const place = createHash('sha256').update(`${namespace}/${name}`).digest().readUInt32BE() / 2 ** 32
  return place * 100 < percent
}
