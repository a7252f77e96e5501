import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { connect } from '../cluster.ts'
import { kubectl } from '../kubectl.ts'
import { MANIFESTS } from '../operator.ts'
import { dryCreate, lacks, usePolicies } from './policies.ts'

const chat = parse(readFileSync(join(MANIFESTS, 'examples/chat.yaml'), 'utf8'))
chat.spec.replicas = 0
const owner = (uid: string, more = {}) => ({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'chat', uid, ...more })
const owned = (...ownerReferences: object[]) => ({ ...chat, metadata: { ...chat.metadata, ownerReferences } })
const STALE = '00000000-0000-4000-8000-000000000000'

t.test('a Deployment cannot be created as its own property, nor become its own controller', async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const skip = await lacks(cluster, 'ValidatingAdmissionPolicy')
  if (skip) return t.plan(0, skip)
  const namespace = await cluster.namespace()
  const refusal = async (promise: Promise<unknown>) =>
    promise.then(
      () => undefined,
      (error: Error) => error.message,
    )
  await usePolicies(cluster, 'admission-guard', async () => refusal(dryCreate(namespace, owned(owner(STALE)))))

  const message = await refusal(dryCreate(namespace, owned(owner(STALE))))
  t.match(message, /Deployment chat names itself as an owner/)
  t.match(message, /Remove metadata\.ownerReferences/)
  t.ok(await dryCreate(namespace, chat), 'without it, it can')
  const other = { apiVersion: 'v1', kind: 'ConfigMap', name: 'chat', uid: STALE }
  t.ok(await dryCreate(namespace, owned(other)), 'other owners are nobody’s business')

  const create = ['create', '-n', namespace, '-o', 'json', '-f', '-']
  const { metadata } = JSON.parse(await kubectl(create, { input: JSON.stringify(chat) }))
  const patch = (reference: object) =>
    kubectl([
      'patch',
      'deployment',
      'chat',
      '-n',
      namespace,
      '-p',
      JSON.stringify({ metadata: { ownerReferences: [reference] } }),
    ])
  t.match(await refusal(patch(owner(metadata.uid, { controller: true }))), /would become its own controller/)
  await patch(owner(metadata.uid))
  t.pass('as injection does it, it may name itself')
  t.match(await refusal(patch(owner(metadata.uid, { controller: true }))), /would become its own controller/)
})
