import t from 'tap'
import { nodeSelector, tolerations } from '../../../../hooks/composite/spec/nodes-spec.ts'
import { problems } from './cel-model.ts'

t.test('nodes are selected by labels as nodes have them, at most 32', async t => {
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`label-${i}`, 'x']))
  for (const good of [{}, { pool: 'edge', 'kubernetes.io/os': 'linux', empty: '' }, many(32)])
    t.strictSame(problems(nodeSelector, good), [])
  for (const bad of [{ pool: 'two words' }, { pool: '-' }, { pool: 1 }, { pool: 'x'.repeat(64) }, many(33)])
    t.not(problems(nodeSelector, bad).length, 0, JSON.stringify(bad).slice(0, 80))
})

const OPERATOR = 'operator Exists goes without a value, and Equal with a key'
const SECONDS = 'tolerationSeconds needs effect NoExecute'

const TOLERATIONS: readonly (readonly [toleration: object, problems: readonly string[]])[] = [
  [{ operator: 'Exists' }, []],
  [{ key: 'a' }, []],
  [{ key: 'a', operator: 'Equal', value: 'b', effect: 'NoSchedule' }, []],
  [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 0 }, []],
  [{}, [OPERATOR]],
  [{ operator: 'Equal', value: 'b' }, [OPERATOR]],
  [{ key: 'a', operator: 'Exists', value: 'b' }, [OPERATOR]],
  [{ key: 'a', tolerationSeconds: 5 }, [SECONDS]],
  [{ key: 'a', effect: 'NoSchedule', tolerationSeconds: 5 }, [SECONDS]],
  [{ value: 'b', tolerationSeconds: 5 }, [OPERATOR, SECONDS]],
  [{ key: 'a', operator: 'In' }, ['/0/operator']],
  [{ key: 'a', effect: 'Never' }, ['/0/effect']],
  [{ key: 'a', effect: 'NoExecute', tolerationSeconds: 86_401 }, ['/0/tolerationSeconds']],
]

t.test('a toleration is one that a pod may have', async t => {
  for (const [toleration, expected] of TOLERATIONS)
    t.strictSame(problems(tolerations, [toleration]), expected, JSON.stringify(toleration))
})

t.test('there may be 32 tolerations', async t => {
  t.strictSame(problems(tolerations, Array(32).fill({ key: 'a' })), [])
  t.not(problems(tolerations, Array(33).fill({ key: 'a' })).length, 0)
})
