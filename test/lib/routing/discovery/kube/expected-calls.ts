import type { Test } from 'tap'
import type { Call, StandInApi } from './stand-in-api.ts'

/** A list answer of this version. */
export const list = (version: number, ...items: unknown[]) => ({
  metadata: { resourceVersion: String(version) },
  items,
})

/** The next request, which must be a watch from this version. */
export async function watchFrom(t: Test, api: StandInApi, version: number): Promise<Call> {
  const call = await api.next()
  t.equal(call.query.get('watch'), 'true')
  t.equal(call.query.get('resourceVersion'), String(version), 'the watch goes on from the last version')
  return call
}

/** The next request, which must be a list. */
export async function expectList(t: Test, api: StandInApi): Promise<Call> {
  const call = await api.next()
  t.equal(call.query.get('watch'), null, 'a list')
  return call
}
