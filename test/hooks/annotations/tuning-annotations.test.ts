import t from 'tap'
import type { Annotation } from '../../../hooks/annotations/annotation.ts'
import { BALANCER_TUNING, PING_AND_IDLE, TUNING } from '../../../hooks/annotations/tuning-annotations.ts'
import { BALANCER_FIELDS } from '../../../hooks/composite/variables/balancer-fields.ts'
import { variableSchema } from '../../../hooks/composite/variables/variable-schema.ts'
import { balancerSchema } from '../../../lib/settings/balancer-settings.ts'
import { sidecarSchema } from '../../../lib/settings/sidecar-settings.ts'

const TABLE = Object.entries(TUNING) as [keyof typeof TUNING, Annotation<unknown>][]
const balancerVariable = (field: string) => BALANCER_FIELDS[field as keyof typeof BALANCER_FIELDS]

t.test('an annotation of both programs sets the same variable in both, with the same bounds', async t => {
  const both = TABLE.filter(([, { sidecar, field }]) => sidecar && field)
  t.ok(both.length > 0)
  for (const [name, { sidecar, field }] of both) {
    t.equal(balancerVariable(field!), sidecar, name)
    const { minimum, maximum, enum: words } = variableSchema(sidecarSchema, sidecar!)
    t.match(variableSchema(balancerSchema, sidecar!), { minimum, maximum, ...(words && { enum: words }) }, name)
  }
})

t.test('a name ends in the unit of its variable', async t => {
  for (const [name, { sidecar, field }] of TABLE) {
    const variable = sidecar ?? balancerVariable(field!)
    for (const unit of ['ms', 'seconds', 'bytes']) {
      t.equal(name.endsWith(`-${unit}`), variable.endsWith(`_${unit.toUpperCase()}`), `${name} of ${variable}`)
    }
  }
})

t.test('the annotations of the balancer alone are those that set no variable of a sidecar', async t => {
  const alone = TABLE.flatMap(([name, { sidecar }]) => (sidecar === undefined ? name : []))
  t.strictSame([...BALANCER_TUNING], alone)
})

t.test('a ping and an idle time that belong together are of one program, and of the same side', async t => {
  const known = TABLE.flatMap(([name]) => (/-idle-seconds$|-ping-seconds$/.test(name) ? name : []))
  t.strictSame(PING_AND_IDLE.flat().sort(), known.filter(name => name !== ('sender-idle-seconds' as string)).sort())
  for (const [ping, idle] of PING_AND_IDLE) {
    const [asks, ends] = [ping, idle].map(name => {
      const { sidecar, field } = TUNING[name] as Annotation<unknown>
      return `${sidecar === undefined ? 'balancer' : 'sidecar'} ${sidecar ?? balancerVariable(field!)}`
    })
    t.equal(asks, ends!.replace('IDLE', 'PING'), `${ping} and ${idle}`)
  }
})
