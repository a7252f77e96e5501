import t from 'tap'
import type { Annotation } from '../../../hooks/annotations/annotation.ts'
import {
  ANNOTATIONS,
  type AnnotationName,
  NOT_FOR_THE_SIDECAR,
  WRITTEN,
} from '../../../hooks/annotations/annotations.ts'
import { PING_AND_IDLE } from '../../../hooks/annotations/tuning-annotations.ts'
import { BALANCER_FIELDS } from '../../../hooks/composite/variables/balancer-fields.ts'
import { variableSchema } from '../../../hooks/composite/variables/variable-schema.ts'
import { balancerSchema } from '../../../lib/settings/balancer-settings.ts'
import { sidecarSchema } from '../../../lib/settings/sidecar-settings.ts'
import { plan } from '../plans.ts'

const TABLE = Object.entries(ANNOTATIONS) as [AnnotationName, Annotation<unknown>][]

/** For each annotation a value that is not its default; where it is not another word or the next number. */
const OTHERS: Partial<Record<AnnotationName, string>> = {
  'app-port': '8080',
  'sidecar-image': 'registry.example/sidecar:2',
  'sidecar-cpu-request': '30m',
  'sidecar-cpu-limit': '300m',
  'sidecar-memory-request': '65Mi',
  'sidecar-memory-limit': '193Mi',
  'routing-key': 'cookie:session',
  'routing-algorithm': 'rendezvous',
  'recipient-field': 'to',
  'headless-service': 'members-ws-proxy-headless',
  'app-idle-seconds': '600',
  'client-idle-seconds': '600',
  'sidecar-client-idle-seconds': '600',
}

/** Beside an idle time there must be a ping. */
const PINGS = Object.fromEntries(PING_AND_IDLE.map(([ping]) => [`ws.operator/${ping}`, '30']))

function another(name: AnnotationName, { values, fallback }: Annotation<unknown>): string {
  const given = OTHERS[name]
  if (given !== undefined) return given
  const [minimum, maximum] = values.split('–').map(Number)
  if (maximum === undefined) return values.split(' | ').find(word => word !== fallback)!
  return String(Number(fallback) + 1 <= maximum ? Number(fallback) + 1 : minimum)
}

t.test('a word or number that the table lists is taken, and its default too', async t => {
  for (const [name, annotation] of TABLE) {
    const { values, fallback, parse } = annotation
    if (/ \| |–/.test(values) && !values.includes('characters')) {
      for (const text of values.split(/ \| |–/)) t.equal(String(parse(text)), text, `${name}: ${text}`)
      if (/^[\w-]+$/.test(fallback)) t.equal(String(parse(fallback)), fallback, `${name}: ${fallback}`)
    }
    t.doesNotThrow(() => parse(another(name, annotation)), name)
  }
})

// A name in the list would let the sidecar be old; a name that is missing would roll pods for nothing.
t.test('an annotation changes the sidecar, or is listed as one that does not', async t => {
  const rendered = (annotations: Record<string, string>) => {
    const { list, sidecar } = plan({ ...PINGS, ...annotations })
    return JSON.stringify({ list, sidecar })
  }
  const plain = rendered({})
  for (const [name, annotation] of TABLE) {
    const changes = rendered({ [`ws.operator/${name}`]: another(name, annotation) }) !== plain
    t.equal(changes, !(NOT_FOR_THE_SIDECAR as readonly string[]).includes(name), name)
  }
})

t.test('what ws-operator writes is no annotation for users, and is no reason to roll pods', async t => {
  for (const name of Object.keys(WRITTEN)) {
    t.notOk(Object.hasOwn(ANNOTATIONS, name), name)
    t.ok((NOT_FOR_THE_SIDECAR as readonly string[]).includes(name), name)
  }
})

t.test('a routing key is checked where it is written', async t => {
  const { parse } = ANNOTATIONS['routing-key']
  t.equal(parse('cookie:session,query:user'), 'cookie:session,query:user')
  t.throws(() => parse('somewhere:user'), { message: /^a chain of places where a handshake names its user: / })
  t.doesNotThrow(() => parse(`query:${'x'.repeat(100)}`))
  t.throws(() => parse(`query:${'x'.repeat(1024)}`), { message: 'at most 1024 characters' })
})

t.test('a recipient field has from 1 to 256 characters', async t => {
  const { parse } = ANNOTATIONS['recipient-field']
  for (const good of ['t', 'a field', 'x'.repeat(256)]) t.equal(parse(good), good)
  for (const bad of ['', 'x'.repeat(257)]) t.throws(() => parse(bad), { message: 'from 1 to 256 characters long' })
})

t.test('the default of an annotation is that of the variable it sets', async t => {
  for (const [name, { fallback, sidecar, field }] of Object.entries(ANNOTATIONS) as [string, Annotation<unknown>][]) {
    const variables = [
      [sidecarSchema, sidecar],
      // The hooks always say how long a balancer may take.
      [balancerSchema, field === 'drainSeconds' ? undefined : BALANCER_FIELDS[field as keyof typeof BALANCER_FIELDS]],
    ] as const
    for (const [schema, variable] of variables) {
      if (variable !== undefined) t.equal(fallback, String(variableSchema(schema, variable).default), name)
    }
  }
})
