import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import type { Cluster } from './cluster.ts'
import { MANIFESTS, SYSTEM_NAMESPACE } from './operator.ts'

/** Everything, with tokens between sidecars: the kustomization that a user would write, in a folder for as long as the test lasts. */
export async function overlayWithPodToken(cluster: Cluster): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ws-operator-overlay-'))
  // Undone after what is installed from it.
  cluster.undo(() => rm(folder, { recursive: true }))
  const overlay = {
    resources: [relative(folder, MANIFESTS)],
    components: ['webhook-auth', 'pod-token'].map(name => relative(folder, join(MANIFESTS, 'components', name))),
    secretGenerator: [
      ['ws-operator-master-key', `keys=${'k'.repeat(40)}`],
      ['ws-operator-hooks-token', 'token=a,token'],
    ].map(([name, literal]) => ({
      name,
      namespace: SYSTEM_NAMESPACE,
      literals: [literal],
      options: { disableNameSuffixHash: true },
    })),
  }
  await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(overlay))
  return folder
}
