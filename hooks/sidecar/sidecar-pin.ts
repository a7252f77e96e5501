import { DOMAIN, SIDECAR_CONTAINER, SIDECAR_REVISION_ANNOTATION } from '../../lib/service/names.ts'
import { NOT_FOR_THE_SIDECAR, type Settings } from '../annotations/annotations.ts'
import { pick } from '../apply/last-applied.ts'
import { appliedContainer, type DesiredSidecar, type FoundSidecar } from '../apply/managed-fields.ts'
import { type Pin, pin } from '../apply/revision.ts'
import { OPERATOR_VERSION, type Rendering } from '../config.ts'
import type { Deployment, PodSpec } from '../requests/schemas.ts'
import { inWave } from './rollout-waves.ts'

/**
 * Whether a Deployment keeps its present sidecar: a new version, image or default of ws-operator alone restarts no pods.
 *
 * @param found the sidecar in its pod template, if it is ours
 */
export function pinSidecar(
  deployment: Deployment,
  found: FoundSidecar | undefined,
  { settings, list, sidecar }: DesiredSidecar & { readonly settings: Settings },
  { SIDECAR_UPGRADE_PERCENT }: Pick<Rendering, 'SIDECAR_UPGRADE_PERCENT'>,
): Pin {
  const { namespace, name, annotations } = deployment.metadata
  const fields = found && appliedContainer(deployment, found.list)
  return pin({
    recorded: annotations?.[SIDECAR_REVISION_ANNOTATION],
    today: { [list]: sidecar },
    applied: fields && { [found.list]: pick(found.container, fields) },
    inputs: { settings: settingTexts(annotations), template: userTemplate(deployment) },
    upgrade: settings['sidecar-upgrade']
      ? settings['sidecar-upgrade'] === 'now'
      : inWave(SIDECAR_UPGRADE_PERCENT, namespace, name),
    version: OPERATOR_VERSION,
  })
}

/** The annotations for the sidecar, as text: a later version may parse them in another way. */
function settingTexts(annotations: Readonly<Record<string, string>> = {}): object {
  const written = Object.entries(annotations).filter(
    ([key]) =>
      key.startsWith(`${DOMAIN}/`) &&
      !(NOT_FOR_THE_SIDECAR as readonly string[]).includes(key.slice(DOMAIN.length + 1)),
  )
  return Object.fromEntries(written.map(([key, text]) => [key, text.trim()]))
}

/** The pod template without our container, so the same before and after the injection. */
function userTemplate({ spec: { template } }: Deployment): object {
  const { containers, initContainers = [], ...pod } = template.spec
  const theirs = (list: PodSpec['containers']) => list.filter(({ name }) => name !== SIDECAR_CONTAINER)
  return { ...template, spec: { ...pod, containers: theirs(containers), initContainers: theirs(initContainers) } }
}
