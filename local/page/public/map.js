import { element, userClass } from './dom.js'

const SVG = 'http://www.w3.org/2000/svg'
const FLIGHT_MS = 900
const FADE_MS = 700
const calm = matchMedia('(prefers-reduced-motion: reduce)')

/** The live picture: the balancer, the pods, who is on which, and messages that go between them. */
export class PodMap {
  #root
  #wires
  #flights
  #pods
  #balancer
  #onKill
  #boxes = new Map()

  constructor(root, onKill) {
    this.#root = root
    this.#wires = root.querySelector('#wires')
    this.#flights = root.querySelector('#flights')
    this.#pods = root.querySelector('#pods')
    this.#balancer = root.querySelector('#balancer')
    this.#onKill = onKill
    new ResizeObserver(() => this.#drawWires()).observe(root)
  }

  update({ pods, balancer, users, chatters }) {
    if (balancer) {
      this.#balancer.dataset.state = balancer.state
      this.#balancer.replaceChildren(
        element('span', { class: 'name' }, 'Balancer'),
        element('span', { class: 'address' }, new URL(balancer.url).host),
        element('span', { class: 'state' }, balancer.state),
      )
    }
    for (const [name, box] of this.#boxes) {
      if (pods.some(pod => pod.name === name)) continue
      box.root.remove()
      this.#boxes.delete(name)
    }
    for (const pod of pods) {
      const box = this.#boxes.get(pod.name) ?? this.#add(pod)
      box.root.dataset.state = pod.state
      box.state.textContent = pod.state
      box.kill.disabled = pod.state === 'gone'
      const here = users.filter(user => user.pod === pod.name)
      box.users.replaceChildren(...here.map(user => chip(user, chatters)))
    }
    this.#drawWires()
  }

  /** Shows a message on its way. */
  fly({ from, to, fromPod, toPod, outcome }) {
    const start = this.#place(fromPod, from)
    const target = toPod ?? fromPod
    const end = this.#place(target, to)
    if (!start || !end || fromPod === target) return
    const bend = Math.max(start.y, end.y) + 46
    const path = svg('path', {
      class: 'hop',
      d: `M${start.x} ${start.y}C${start.x} ${bend} ${end.x} ${bend} ${end.x} ${end.y}`,
    })
    const group = svg('g', { class: outcome === 'delivered' ? '' : 'lost' })
    group.append(path)
    this.#flights.append(group)
    const length = path.getTotalLength()
    const fade = () => group.animate([{ opacity: 1 }, { opacity: 0 }], FADE_MS).finished.then(() => group.remove())
    if (calm.matches) {
      fade()
      return
    }
    const dot = svg('circle', { class: 'dot', r: 6 })
    group.append(dot)
    path.style.strokeDasharray = `${length}`
    const began = performance.now()
    const step = now => {
      const part = Math.min(1, (now - began) / FLIGHT_MS)
      const eased = part < 0.5 ? 2 * part * part : 1 - (2 - 2 * part) ** 2 / 2
      const { x, y } = path.getPointAtLength(length * eased)
      dot.setAttribute('cx', x)
      dot.setAttribute('cy', y)
      path.style.strokeDashoffset = `${length * (1 - eased)}`
      if (part < 1) requestAnimationFrame(step)
      else fade()
    }
    requestAnimationFrame(step)
  }

  #add({ name, ip }) {
    const state = element('span', { class: 'state' })
    const users = element('div', { class: 'users' })
    const kill = element('button', { type: 'button', class: 'kill', 'aria-label': `Kill pod ${name}` }, 'Kill')
    kill.addEventListener('click', () => this.#onKill(name))
    const root = element(
      'li',
      { class: 'pod', 'aria-label': `Pod ${name}` },
      element('div', { class: 'name' }, name),
      element('div', { class: 'top' }, element('span', { class: 'address' }, ip), state),
      users,
      kill,
    )
    const box = { root, state, users, kill }
    this.#boxes.set(name, box)
    this.#pods.append(root)
    return box
  }

  /** The middle of a user's chip in a pod, or of the pod where the user is not there. */
  #place(pod, user) {
    const box = this.#boxes.get(pod)
    if (!box) return undefined
    const found = [...box.users.children].find(node => node.dataset.user === user)
    return this.#point(found ?? box.users, 0.5, found ? 1 : 0.5)
  }

  #point(node, partX, partY) {
    const frame = this.#root.getBoundingClientRect()
    const { left, top, width, height } = node.getBoundingClientRect()
    return { x: left - frame.left + width * partX, y: top - frame.top + height * partY }
  }

  #drawWires() {
    this.#wires.replaceChildren()
    const from = this.#point(this.#balancer, 0.5, 1)
    for (const { root } of this.#boxes.values()) {
      if (root.dataset.state !== 'ready') continue
      const to = this.#point(root, 0.5, 0)
      const middle = (from.y + to.y) / 2
      this.#wires.append(
        svg('path', { class: 'wire', d: `M${from.x} ${from.y}C${from.x} ${middle} ${to.x} ${middle} ${to.x} ${to.y}` }),
      )
    }
  }
}

function chip({ name, pod, owner }, chatters) {
  const moved = pod !== owner
  const attributes = { class: `chip ${userClass(name, chatters)}${moved ? ' moved' : ''}`, 'data-user': name }
  return element('span', moved ? { ...attributes, title: `${name} belongs to ${owner} now` } : attributes, name)
}

function svg(name, attributes) {
  const node = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  return node
}
