import { Chat } from './chat.js'
import { element } from './dom.js'
import { PodMap } from './map.js'

const COUNTERS = {
  messages: 'messages',
  crossed: 'crossed',
  delivered: 'delivered',
  undelivered: 'missed',
  cut: 'dropped',
}
const KEPT_LINES = 200

const byId = id => document.getElementById(id)
const notice = byId('notice')
const log = byId('log')
const buttons = { 'scale-up': byId('scale-up'), 'scale-down': byId('scale-down'), restart: byId('restart') }
const chats = new Map()
const map = new PodMap(byId('map'), pod => control(`pods/${encodeURIComponent(pod)}/kill`))
let problem = ''

function say(text) {
  if (notice.textContent !== text) notice.textContent = text
}

async function control(path) {
  try {
    const response = await fetch(path, { method: 'POST' })
    problem = response.ok ? '' : ((await response.json()).message ?? `the demo answered ${response.status}`)
  } catch {
    problem = 'the demo does not answer'
  }
  say(problem)
}

for (const [path, button] of Object.entries(buttons)) button.addEventListener('click', () => control(path))

function show(state) {
  say(state.busy ?? problem)
  buttons['scale-up'].disabled = !state.canScaleUp
  buttons['scale-down'].disabled = !state.canScaleDown
  buttons.restart.disabled = state.busy !== undefined
  for (const [index, name] of state.chatters.entries()) {
    if (chats.has(name)) continue
    const others = state.chatters.filter(other => other !== name)
    const chat = new Chat(name, others, `user-${index}`, state.chatters)
    chats.set(name, chat)
    byId('chats').append(chat.root)
  }
  for (const chat of chats.values()) chat.update(state)
  map.update(state)
  const counters = byId('counters')
  for (const [key, label] of Object.entries(COUNTERS)) {
    const value = byId(`counter-${key}`)
    if (value) value.textContent = state.counters[key]
    else {
      const cell = element('dd', { id: `counter-${key}` }, String(state.counters[key]))
      counters.append(element('div', {}, element('dt', {}, label), cell))
    }
  }
}

function addLine({ time, text, tone }) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30
  const clock = new Date(time).toTimeString().slice(0, 8)
  log.append(element('p', { class: tone }, element('time', {}, clock), element('span', {}, text)))
  while (log.children.length > KEPT_LINES) log.firstChild.remove()
  if (atEnd) log.scrollTop = log.scrollHeight
}

const events = new EventSource('events')
const on = (name, handle) => events.addEventListener(name, event => handle(JSON.parse(event.data)))
on('state', show)
on('lines', lines => {
  log.replaceChildren()
  for (const line of lines) addLine(line)
})
on('line', addLine)
on('message', message => map.fly(message))
events.addEventListener('open', () => {
  problem = ''
  say('')
})
events.addEventListener('error', () => {
  problem = 'The demo has ended, or does not answer. Start it again with: npm run demo'
  say(problem)
})
