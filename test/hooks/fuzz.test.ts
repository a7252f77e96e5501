import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import type { DecoratorRequest } from '../../hooks/requests/schemas.ts'
import { type Json, mergePatch, recorded, startHooks } from './helper.ts'

const RUNS = 150
const SEED = 20_261_123

/** Names that objects have without anybody's doing, and the ones that mean something here. */
const KEYS = [
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  '__defineGetter__',
  'f:spec',
  '.',
  'k:{}',
  'k:null',
  'v:[',
]

const deep = (levels: number): Json => {
  let value: Json = 'bottom'
  for (let i = 0; i < levels; i++) value = i % 2 ? [value] : { a: value }
  return value
}

/** Large values, by a short name, so that a counterexample can be read. */
const LARGE: Record<string, Json> = {
  '@text': 'x'.repeat(5000),
  '@map': Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`key-${i}`, 'x'])),
  '@list': Array(2000).fill({ name: 'x' }),
  '@deep': deep(200),
}

/** Values that break programs: other types, empty, huge, deep, hostile names. */
const values = fc.oneof(
  fc.constantFrom<Json>(null, true, 0, -1, 1e21, '', [], {}, [null], { a: [] }, '$(HOME)', '\u0000'),
  fc.constantFrom<Json>(...Object.keys(LARGE)),
  fc.dictionary(fc.constantFrom(...KEYS), fc.jsonValue({ maxDepth: 1 })) as fc.Arbitrary<Json>,
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
)

const mutations = fc.array(
  fc.record({ where: fc.nat(), value: values, how: fc.constantFrom('set', 'remove', 'add') }),
  {
    minLength: 1,
    maxLength: 4,
  },
)
type Mutation = typeof mutations extends fc.Arbitrary<(infer M)[]> ? M : never

/** Every place of a JSON value, as its holder and key. */
function places(value: Json): [Json[] | { [key: string]: Json }, string][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, child]) => [[value, key] as never, ...places(child as Json)])
}

function mutate(request: Json, list: readonly Mutation[]): Json {
  for (const { where, value: given, how } of list) {
    // Nothing is shared: what is set in one place must not be set in two thousand.
    const value = JSON.parse(JSON.stringify((typeof given === 'string' && LARGE[given]) || given)) as Json
    // The controller is not read; nine of ten places would be in there.
    const { controller: _, ...read } = request as { [key: string]: Json }
    const all = places(read).filter(([holder]) => holder !== (read as unknown))
    if (all.length === 0) return request
    const [holder, key] = all[where % all.length]!
    if (how === 'add' && !Array.isArray(holder)) holder[KEYS[where % KEYS.length]!] = value
    else if (how !== 'remove') (holder as { [key: string]: Json })[key] = value
    else if (Array.isArray(holder)) holder.splice(Number(key), 1)
    else delete holder[key]
  }
  return request
}

/** What a golden case changes in a recorded request: parts that Metacontroller had no reason to send then. */
function golden(name: string): Json {
  return JSON.parse(readFileSync(new URL(`golden/${name}/request.json`, import.meta.url), 'utf8')).patch
}

const annotated = (annotations: Json) => ({ object: { metadata: { annotations } } })

/** A recorded request, what it is patched with, and the hook that gets it. */
const CASES: Record<string, readonly [name: string, hook: string, patch?: Json]> = {
  first: ['decorator-sync-first', '/decorator/sync'],
  'pinned, with no revision yet': ['decorator-sync-settled', '/decorator/sync'],
  'pinned by its revision': [
    'decorator-sync-settled',
    '/decorator/sync',
    annotated({ 'ws.operator/sidecar-revision': 'unknown-c4a46cc548-6aaccdc0b3' }),
  ],
  upgraded: ['decorator-sync-settled', '/decorator/sync', annotated({ 'ws.operator/sidecar-upgrade': 'now' })],
  'label removed': ['decorator-finalize-label-removed', '/decorator/finalize'],
  'sidecar gone': ['decorator-finalize-sidecar-gone', '/decorator/finalize'],
  deleted: ['decorator-finalize-deleting', '/decorator/finalize'],
  balancer: ['composite-sync-with-children', '/composite/sync', golden('balancer-members')],
  'balancer that scales itself': [
    'composite-sync-with-children',
    '/composite/sync',
    golden('balancer-autoscaling-replicas-theirs'),
  ],
  'balancer, what it wants to see': ['composite-customize', '/composite/customize'],
  'balancer refused': ['composite-sync-with-children', '/composite/sync', { parent: { spec: { target: '-' } } }],
  'balancer deleted': ['composite-finalize', '/composite/finalize'],
}

for (const [name, [file, hook, patch]] of Object.entries(CASES)) {
  t.test(`${name}, damaged: an answer or a 400, never a failure`, async t => {
    const { app } = await startHooks(t)
    const seen = { 200: 0, 400: 0 }
    await fc.assert(
      fc.asyncProperty(mutations, async list => {
        // A copy: parts of the patch become parts of the request, which is damaged.
        const payload = mutate(mergePatch(recorded(file), structuredClone(patch)), list) as object
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

t.test('more than any object can hold: an answer or a refusal, soon, and never a failure', async t => {
  const { app } = await startHooks(t)
  const first = () => recorded<{ object: Record<string, never> }>('decorator-sync-first')
  const text = JSON.stringify(first())
  const send = async (payload: string | object, url = '/decorator/sync') => {
    const before = process.cpuUsage()
    const { statusCode } = await app.inject({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json' },
      payload,
    })
    const { user, system } = process.cpuUsage(before)
    // CPU time, which other processes do not change.
    t.ok(user + system < 5_000_000, 'far below the 10 s that Metacontroller waits')
    return statusCode
  }
  const unknown = Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`ws.operator/sidecar-por-${i}`, `${i}`]))
  t.equal(await send(mergePatch(first() as never, annotated(unknown)) as object), 200, 'nine thousand annotations')
  const many = {
    object: { spec: { template: { spec: { containers: Array(20_000).fill({ name: 'app', image: 'x' }) } } } },
  }
  t.equal(await send(mergePatch(first() as never, many) as object), 200, 'twenty thousand containers')
  for (const levels of [1000, 200_000]) {
    const nested = text.replace('"spec":{', `"spec":{"deep":${'['.repeat(levels)}${']'.repeat(levels)},`)
    t.equal(await send(nested), 400, `${levels} levels`)
  }
  for (const key of ['__proto__', '\\u005f_proto__']) {
    t.equal(await send(text.replace('"labels":{', `"labels":{"${key}":{"x":1},`)), 400, key)
  }
  t.equal(await send(text.replace('"labels":{', '"constructor":{"prototype":{"x":1}},"labels":{')), 400)
  t.equal(({} as { x?: unknown }).x, undefined)
  t.equal(await send(`{"x":"${'x'.repeat(33 * 1024 * 1024)}"}`), 413)
  const children = recorded<{ children: Record<string, Record<string, Json>> }>('composite-sync-with-children')
  const [child] = Object.values(children.children['Deployment.apps/v1']!)
  for (let i = 0; i < 300; i++) children.children['Deployment.apps/v1']![`other-${i}`] = child!
  t.equal(await send(children, '/composite/sync'), 200, 'three hundred children')
})

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
    const [reference] = ownerReferences
    const fields = Object.keys(reference ?? {}).sort()
    if (
      ownerReferences.length !== 1 ||
      reference?.uid !== object.metadata.uid ||
      fields.join() !== 'apiVersion,kind,name,uid'
    ) {
      throw new Error(`bad ownerReferences ${JSON.stringify(ownerReferences)}`)
    }
    if (Object.keys(metadata).join() !== 'name,namespace') throw new Error(`metadata ${JSON.stringify(metadata)}`)
    if (!attachment.spec) continue
    const { containers = [], initContainers = [], ...more } = attachment.spec.template.spec
    const names = [...containers, ...initContainers].map(container => container.name)
    if (names.join() !== 'websocket-proxy') throw new Error(`touches ${names}`)
    const theirs = [attachment.spec, attachment.spec.template].map(part => Object.keys(part).join())
    if (theirs.join(' ') !== 'template spec' || Object.keys(more).length > 0) throw new Error(`touches ${theirs}`)
  }
}

function assertNamed({ kind, metadata }: { kind?: unknown; metadata?: { name?: unknown } }): void {
  if (typeof kind !== 'string' || typeof metadata?.name !== 'string') throw new Error('an object without kind or name')
}
