import { deepStrictEqual } from 'node:assert'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

/** Between two looks at a state that is waited for. */
const LOOK_AGAIN_MS = 200

type Truthy<T> = Exclude<T, false | null | undefined>

/**
 * Waits for a state.
 *
 * @param what the state, for the error message
 * @param look returns something truthy when the state is reached; what it throws counts as not yet
 * @param limitMs longest time to wait
 * @throws saying what was waited for and what the last look saw
 */
export async function waitFor<T>(what: string, look: () => Promise<T>, limitMs = 60_000): Promise<Truthy<T>> {
  const deadline = Date.now() + limitMs
  let last: unknown
  for (;;) {
    try {
      last = await look()
      if (last) return last as Truthy<T>
    } catch (error) {
      last = error instanceof Error ? error.message : error
    }
    if (Date.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}; last seen: ${JSON.stringify(last)}`)
    await delay(LOOK_AGAIN_MS)
  }
}

/**
 * Waits until a state is exactly what is expected.
 *
 * @throws saying what the last look saw
 */
export async function becomes(
  what: string,
  look: () => Promise<unknown>,
  expected: unknown,
  limitMs?: number,
): Promise<void> {
  const isExpected = async () => {
    const seen = await look()
    if (!isDeepStrictEqual(seen, expected)) throw new Error(JSON.stringify(seen))
    return true
  }
  await waitFor(what, isExpected, limitMs)
}

/** How long a state has to stay to count as one that stays. */
const STAYS_MS = 2000

/**
 * Looks at a state for two seconds.
 *
 * @returns true
 * @throws as soon as it is not what was expected
 */
export async function stays(what: string, look: () => Promise<unknown>, expected: unknown): Promise<true> {
  for (const end = Date.now() + STAYS_MS; Date.now() < end; await delay(LOOK_AGAIN_MS))
    deepStrictEqual(await look(), expected, what)
  return true
}
