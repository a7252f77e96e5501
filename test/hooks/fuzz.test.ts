import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import type { DecoratorRequest } from '../../hooks/schemas.ts'
import { type Json, mergePatch, recorded, startHooks } from './helper.ts'

const RUNS = 300
const SEED = 20_261_123

/** Values that break programs: other types, empty, huge, hostile names. */
const values = fc.oneof(
  fc.constantFrom<Json>(null, true, 0, -1, 1e21, '', 'x'.repeat(5000), [], {}, [null], { a: [] }, '$(HOME)', '\u0000'),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
)

const mutations = fc.array(fc.record({ where: fc.nat(), value: values, remove: fc.boolean() }), {
  minLength: 1,
  maxLength: 4,
})

/** Every place of a JSON value, as its holder and key. */
function places(value: Json): [Json[] | { [key: string]: Json }, string][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, child]) => [[value, key] as never, ...places(child as Json)])
}

function mutate(request: Json, list: readonly { where: number; value: Json; remove: boolean }[]): Json {
  for (const { where, value, remove } of list) {
    // The controller is not read; nine of ten places would be in there.
    const { controller: _, ...read } = request as { [key: string]: Json }
    const all = places(read).filter(([holder]) => holder !== (read as unknown))
    if (all.length === 0) return request
    const [holder, key] = all[where % all.length]!
    if (!remove) (holder as { [key: string]: Json })[key] = value
    else if (Array.isArray(holder)) holder.splice(Number(key), 1)
    else delete holder[key]
  }
  return request
}

/** What a golden case changes in a recorded request: parts that Metacontroller had no reason to send then. */
function golden(name: string): Json {
  return JSON.parse(readFileSync(new URL(`golden/${name}/request.json`, import.meta.url), 'utf8')).patch
}

const CASES = [
  ['decorator-sync-first', '/decorator/sync'],
  ['decorator-sync-settled', '/decorator/sync'],
  ['decorator-finalize-label-removed', '/decorator/finalize'],
  ['composite-sync-with-children', '/composite/sync', golden('balancer-members')],
  ['composite-sync-with-children', '/composite/sync', golden('balancer-autoscaling-replicas-theirs')],
  ['composite-customize', '/composite/customize'],
  ['composite-finalize', '/composite/finalize'],
] as const

for (const [name, hook, patch] of CASES) {
  t.test(`${hook} with ${name}, damaged: an answer or a 400, never a failure`, async t => {
    const { app } = await startHooks(t)
    const seen = { 200: 0, 400: 0 }
    await fc.assert(
      fc.asyncProperty(mutations, async list => {
        const payload = mutate(mergePatch(recorded(name), patch), list) as object
        const answer = await app.inject({ method: 'POST', url: hook, payload })
        if (answer.statusCode !== 200 && answer.statusCode !== 400) throw new Error(answer.body)
        seen[answer.statusCode]++
        if (answer.statusCode === 400) {
          if (!/"WSO_ERR_BAD_REQUEST"/.test(answer.body)) throw new Error(answer.body)
          return
        }
        if (hook.startsWith('/decorator')) assertExact(payload as unknown as DecoratorRequest, answer.json())
        else for (const child of answer.json().children ?? []) assertNamed(child)
      }),
      { seed: SEED, numRuns: RUNS },
    )
    t.ok(seen[200] > 20 && seen[400] > 20, `answered ${seen[200]}, refused ${seen[400]}`)
  })
}

/** The only thing that an answer may hold of the Deployment is our sidecar, tied to the Deployment itself. */
function assertExact(
  { object }: DecoratorRequest,
  { attachments }: { attachments: DecoratorRequest['object'][] },
): void {
  for (const attachment of attachments) {
    assertNamed(attachment)
    if (attachment.kind !== 'Deployment') continue
    const { ownerReferences = [], ...metadata } = attachment.metadata
    if (object.metadata.deletionTimestamp !== undefined) throw new Error('applied to a Deployment that is deleted')
    if (
      ownerReferences.length !== 1 ||
      ownerReferences[0]?.uid !== object.metadata.uid ||
      ownerReferences[0].controller
    ) {
      throw new Error(`bad ownerReferences ${JSON.stringify(ownerReferences)}`)
    }
    if (Object.keys(metadata).join() !== 'name,namespace') throw new Error(`metadata ${JSON.stringify(metadata)}`)
    if (!attachment.spec) continue
    const { containers = [], initContainers = [] } = attachment.spec.template.spec
    const names = [...containers, ...initContainers].map(container => container.name)
    if (names.join() !== 'websocket-proxy') throw new Error(`touches ${names}`)
    const theirs = attachment.spec as object
    if (Object.keys(theirs).join() !== 'template') throw new Error(`spec has ${Object.keys(theirs)}`)
  }
}

function assertNamed({ kind, metadata }: { kind?: unknown; metadata?: { name?: unknown } }): void {
  if (typeof kind !== 'string' || typeof metadata?.name !== 'string') throw new Error('an object without kind or name')
}
