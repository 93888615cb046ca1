// Whoever enters plays one tone and shows one colour. `sees` and `hears` say what arrives of a mixed view.
(() => {
  const WIDTH = 160, HEIGHT = 90, RATE = 15

  // The page asks for microphone and camera as ever.
  window.play = (colour, hertz) => {
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const tracks = []
      if (wanted.video) tracks.push(...picture(colour).getTracks())
      if (wanted.audio) tracks.push(...sound(hertz).getTracks())
      return new MediaStream(tracks)
    }
  }

  function picture(colour) {
    const canvas = document.createElement('canvas')
    canvas.width = WIDTH
    canvas.height = HEIGHT
    const pen = canvas.getContext('2d')
    let step = 0
    setInterval(() => {
      pen.fillStyle = colour
      pen.fillRect(0, 0, WIDTH, HEIGHT)
      pen.fillStyle = 'white'
      pen.fillRect((step++ * 4) % WIDTH, 0, 8, 8) // something moves
    }, 1000 / RATE)
    return canvas.captureStream(RATE)
  }

  function sound(hertz) {
    const audio = new AudioContext()
    const tone = new OscillatorNode(audio, { frequency: hertz })
    const out = audio.createMediaStreamDestination()
    tone.connect(new GainNode(audio, { gain: 0.2 })).connect(out)
    tone.start()
    return out.stream
  }

  // The colours in the middle of places, by whose they are.
  window.sees = () => {
    const video = document.querySelector('[data-testid=mixed-video]')
    if (!video?.videoWidth) return {}
    const canvas = document.createElement('canvas')
    canvas.width = video.videoWidth
    canvas.height = video.videoHeight
    const pen = canvas.getContext('2d')
    pen.drawImage(video, 0, 0)
    const frame = video.getBoundingClientRect()
    const found = {}
    for (const place of document.querySelectorAll('[data-testid=place][data-name]')) {
      const { left, top, width, height } = place.getBoundingClientRect()
      const x = ((left + width / 2 - frame.left) / frame.width) * canvas.width
      const y = ((top + height / 2 - frame.top) / frame.height) * canvas.height
      found[place.dataset.name] = [...pen.getImageData(x, y, 1, 1).data.slice(0, 3)]
    }
    return found
  }

  // How often each tone was heard in the mix (above -40 dB of full scale) since the first question. A machine that is
  // too busy leaves gaps in every sound, and each gap is a click of all tones.
  window.hears = async (tones) => {
    const { srcObject } = document.querySelector('[data-testid=mixed-audio]')
    if (!srcObject) return []
    if (window.heard?.of !== srcObject) {
      const ear = new AudioContext()
      const analyser = new AnalyserNode(ear, { fftSize: 8192, smoothingTimeConstant: 0 })
      ear.createMediaStreamSource(srcObject).connect(analyser)
      window.heard = { of: srcObject, analyser, bin: ear.sampleRate / analyser.fftSize, times: tones.map(() => 0) }
    }
    const { analyser, bin, times } = heard
    const spectrum = new Float32Array(analyser.frequencyBinCount)
    analyser.getFloatFrequencyData(spectrum)
    tones.forEach((hertz, i) => {
      const at = Math.round(hertz / bin)
      if (Math.max(...spectrum.slice(at - 2, at + 3)) > -40) times[i]++
    })
    return times
  }
})()
