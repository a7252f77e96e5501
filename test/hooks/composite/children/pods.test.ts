import t from 'tap'
import { deploymentObject } from '../../../../hooks/composite/children/pods.ts'
import { loadHooksConfig } from '../../../../hooks/config.ts'

t.test(
  'all new balancers are there before an old one goes, and all old ones have left the Service before one closes',
  async t => {
    const metadata = { name: 'chat-balancer', namespace: 'team', labels: {} }
    const rendering = loadHooksConfig({})
    for (const replicas of [undefined, 1, 2, 30]) {
      const { spec } = deploymentObject(metadata, { target: 'chat' }, replicas, rendering)
      t.strictSame(spec?.strategy?.rollingUpdate, { maxUnavailable: 0, maxSurge: '100%' })
      const pod = spec?.template.spec
      const container = pod?.containers[0]
      // The first old one goes when the first new one has been ready for this long, and the last one as long after it as the last new one got ready.
      t.ok((spec?.minReadySeconds ?? 0) > 10)
      const wait = container?.lifecycle?.preStop?.exec?.command?.at(-1) ?? ''
      t.ok(
        Number(/(\d+)\)$/.exec(wait)?.[1]) >= 5000,
        'an old one closes its clients only when every node has forgotten it',
      )
    }
  },
)
