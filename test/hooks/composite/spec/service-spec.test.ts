import t from 'tap'
import { DEFAULT_SERVICE_PORT, service } from '../../../../hooks/composite/spec/service-spec.ts'
import { problems } from './cel-model.ts'

const POLICY = 'externalTrafficPolicy needs type LoadBalancer or NodePort'

const CASES: readonly (readonly [service: object, problems: readonly string[]])[] = [
  [{}, []],
  [{ port: DEFAULT_SERVICE_PORT }, []],
  [{ type: 'LoadBalancer', port: 65_535, externalTrafficPolicy: 'Local', annotations: { 'lb.example/kind': 'x' } }, []],
  [{ type: 'NodePort', externalTrafficPolicy: 'Cluster' }, []],
  [{ externalTrafficPolicy: 'Local' }, [POLICY]],
  [{ type: 'ClusterIP', externalTrafficPolicy: 'Cluster' }, [POLICY]],
  [{ type: 'ExternalName' }, ['/type']],
  [{ port: 0 }, ['/port']],
  [{ port: 65_536 }, ['/port']],
  [{ port: 'http' }, ['/port']],
  [{ type: 'NodePort', externalTrafficPolicy: 'Near' }, ['/externalTrafficPolicy']],
  [{ annotations: { a: 1 } }, ['/annotations/a']],
  [{ annotations: { a: 'x'.repeat(4097) } }, ['/annotations/a']],
  [{ annotations: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`a${i}`, ''])) }, ['/annotations']],
]

t.test('a Service is one that Kubernetes can make', async t => {
  for (const [given, expected] of CASES)
    t.strictSame(problems(service, given), expected, JSON.stringify(given).slice(0, 100))
})
