import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import type { Test } from 'tap'
import { MANIFESTS, SYSTEM_NAMESPACE } from './operator.ts'

/** Everything, with tokens between sidecars: the kustomization that a user would write, in a folder that goes with the test. */
export async function overlayWithPodToken(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ws-operator-overlay-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const overlay = {
    resources: [relative(folder, MANIFESTS)],
    components: [relative(folder, join(MANIFESTS, 'components/pod-token'))],
    secretGenerator: [
      {
        name: 'ws-operator-master-key',
        namespace: SYSTEM_NAMESPACE,
        literals: [`keys=${'k'.repeat(40)}`],
        options: { disableNameSuffixHash: true },
      },
    ],
  }
  await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(overlay))
  return folder
}
