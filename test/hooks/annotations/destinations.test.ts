import t from 'tap'
import { loadBalancerConfig } from '../../../balancer/config.ts'
import type { Annotation } from '../../../hooks/annotations/annotation.ts'
import { ANNOTATIONS, type AnnotationName, type Settings } from '../../../hooks/annotations/annotations.ts'
import {
  annotatedFields,
  annotatedVariables,
  OTHER_SIDECAR_VARIABLES,
} from '../../../hooks/annotations/destinations.ts'
import { PING_AND_IDLE, TUNING } from '../../../hooks/annotations/tuning-annotations.ts'
import { balancerObjects } from '../../../hooks/composite/children/balancer-objects.ts'
import { BALANCER_FIELDS, OTHER_BALANCER_VARIABLES } from '../../../hooks/composite/variables/balancer-fields.ts'
import { balancerObject } from '../../../hooks/decorator/attachments.ts'
import { planSidecar } from '../../../hooks/decorator/plan-sidecar.ts'
import type { DecoratorRequest } from '../../../hooks/requests/schemas.ts'
import { loadSidecarConfig } from '../../../sidecar/config.ts'
import { config, recorded } from '../helper.ts'

type Variable = { name: string; value?: string }

/** The variables of sidecar and balancer of a Deployment with these annotations. */
function rendered(annotations: Readonly<Record<string, string>>, rendering = config) {
  const { object } = recorded<DecoratorRequest>('decorator-sync-first')
  object.metadata.annotations = Object.fromEntries(
    Object.entries(annotations).map(([name, text]) => [`ws.operator/${name}`, text]),
  )
  const planned = planSidecar(object, rendering)
  if (!planned.ok) throw new Error(planned.message)
  const { metadata, spec } = balancerObject(object, planned.plan, 'v-a-b')
  const deployment = balancerObjects(metadata, spec, config).find(({ kind }) => kind === 'Deployment')
  const { containers } = (deployment as unknown as DecoratorRequest['object']).spec.template.spec
  const read = (env: unknown) =>
    Object.fromEntries((env as Variable[]).map(({ name, value = '127.0.0.1' }) => [name, value]))
  const sidecar = { ...read(planned.plan.sidecar.env), WS_OPERATOR_SELF: '127.0.0.1:3000' }
  return { sidecar, balancer: read(containers[0]?.env), spec }
}

/** What a program reads, but for what has functions in it and no setting of these. */
const comparable = (configs: ReturnType<typeof loaded>) => JSON.stringify(configs)

const loaded = ({ sidecar, balancer }: ReturnType<typeof rendered>) => ({
  sidecar: loadSidecarConfig(sidecar),
  balancer: loadBalancerConfig(balancer),
})

/** Beside an idle time there must be a ping below it. */
const companions = (name: string, value: number): Record<string, string> => {
  const pair = PING_AND_IDLE.find(names => (names as readonly string[]).includes(name))
  if (!pair) return {}
  const [ping, idle] = pair
  return name === ping ? { [idle]: '0' } : { [ping]: String(Math.max(0, value - 1)) }
}

t.test('a Deployment without annotations gets what it always got, and no variable of a limit or time', async t => {
  const { sidecar, balancer, spec } = rendered({})
  const names = (env: object) => Object.keys(env).map(name => name.replace('WS_OPERATOR_', ''))
  t.strictSame(names(sidecar), [
    ...['POD_IP', 'INSTANCE', 'PORT', 'APP_PORT', 'SELF', 'DISCOVERY', 'SRV_DNS_RECORD', 'TARGET'],
    ...['DRAIN_SECONDS', 'SHUTDOWN_SECONDS'],
  ])
  t.strictSame(names(balancer), ['INSTANCE', 'DISCOVERY', 'SERVICE', 'TARGET', 'SHUTDOWN_SECONDS'])
  t.strictSame(Object.keys(spec), ['target', 'targetUID'])
})

t.test('a default that is annotated changes nothing in the programs', async t => {
  const plain = comparable(loaded(rendered({})))
  for (const [name, { fallback }] of Object.entries(TUNING)) {
    t.equal(comparable(loaded(rendered({ [name]: fallback }))), plain, name)
  }
})

t.test('each bound that an annotation allows is one with which the programs start, and goes where it says', async t => {
  for (const [name, annotation] of Object.entries(TUNING)) {
    const { values, sidecar, field } = annotation as Annotation<unknown>
    for (const text of values.split(/–| \| /)) {
      const value = Number.isNaN(Number(text)) ? text : Number(text)
      const both = { [name]: text, ...companions(name, Number(text)) }
      // Nothing is between 0 and 1 second.
      if (/-idle-/.test(name) && text === '1') continue
      const configs = loaded(rendered(both))
      if (sidecar) t.equal(configs.sidecar[sidecar], value, `${name}: ${text}, sidecar`)
      if (field) {
        const variable = BALANCER_FIELDS[field as keyof typeof BALANCER_FIELDS]
        t.equal(configs.balancer[variable], value, `${name}: ${text}, balancer`)
      }
    }
  }
})

t.test('an idle time without a ping below it is refused, naming both', async t => {
  for (const [ping, idle] of PING_AND_IDLE) {
    const { fallback } = TUNING[ping]
    t.throws(() => rendered({ [idle]: '1' }), {
      message: `ws.operator/${ping} (${fallback}) must be above 0 and below ws.operator/${idle} (1).`,
    })
    t.doesNotThrow(() => rendered({ [ping]: '1', [idle]: '2' }))
    t.doesNotThrow(() => rendered({ [ping]: '0', [idle]: '0' }))
  }
})

t.test('text of a user is not expanded by the kubelet', async t => {
  const settings = { 'recipient-field': '$(POD_IP)', 'max-queue-bytes': 1024 } as Settings
  t.strictSame(annotatedVariables(settings), { RECIPIENT_FIELD: '$$(POD_IP)', MAX_QUEUE_BYTES: 1024 })
  t.strictSame(annotatedFields(settings), { limits: { maxQueueBytes: 1024 } })
})

t.test('what counts as written by the hooks is written by them, and the rest is left alone', async t => {
  const withToken = {
    ...config,
    MASTER_KEY_FILE: [Buffer.alloc(32)],
    TOKEN_REQUIRED: false,
  } as unknown as typeof config
  const { sidecar, balancer } = rendered({}, withToken)
  for (const [others, env] of [
    [OTHER_SIDECAR_VARIABLES, sidecar],
    [OTHER_BALANCER_VARIABLES, balancer],
  ] as const) {
    for (const [name, by] of Object.entries(others)) {
      t.equal(Object.hasOwn(env, `WS_OPERATOR_${name}`), by === 'hooks', name)
    }
  }
})

t.test('no two annotations go to one place', async t => {
  for (const to of ['sidecar', 'field'] as const) {
    const places = (Object.keys(ANNOTATIONS) as AnnotationName[]).flatMap(
      name => (ANNOTATIONS[name] as Annotation<unknown>)[to] ?? [],
    )
    t.strictSame(places, [...new Set(places)], to)
  }
})
