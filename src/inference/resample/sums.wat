;; The sums of `resample.ts`, 16 bytes at a time. A pixel of the result is the sum of some pixels
;; times their weights (i16, 4096 is 1), rounded, and kept within 0..255.
(module
  ;; 6 MiB: room for the largest picture that is taken. Only what is used of it takes memory.
  (memory (export "memory") 96)

  ;; One row of the result out of the rows below each other from $from on. Writes up to 15 bytes more.
  ;; $weights: an even number of them, of which $pairs pairs count. Two rows at once, their bytes in
  ;; turn, because `dot` multiplies pairs of numbers and adds the two products.
  (func (export "ofRows")
    (param $to i32) (param $from i32) (param $rowBytes i32) (param $weights i32) (param $pairs i32)
    (local $toEnd i32) (local $weightsEnd i32) (local $at i32) (local $weight i32)
    (local $twice v128) (local $upper v128) (local $lower v128) (local $both v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $toEnd (i32.add (local.get $to) (local.get $rowBytes)))
    (local.set $weightsEnd (i32.add (local.get $weights) (i32.shl (local.get $pairs) (i32.const 2))))
    (loop $bytes
      (local.set $a (v128.const i32x4 2048 2048 2048 2048))
      (local.set $b (local.get $a))
      (local.set $c (local.get $a))
      (local.set $d (local.get $a))
      (local.set $at (local.get $from))
      (local.set $weight (local.get $weights))
      (loop $rows
        (local.set $twice (v128.load32_splat (local.get $weight)))
        (local.set $upper (v128.load (local.get $at)))
        (local.set $at (i32.add (local.get $at) (local.get $rowBytes)))
        (local.set $lower (v128.load (local.get $at)))
        (local.set $at (i32.add (local.get $at) (local.get $rowBytes)))
        (local.set $both (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23
          (local.get $upper) (local.get $lower)))
        (local.set $a (i32x4.add (local.get $a) (i32x4.dot_i16x8_s
          (i16x8.extend_low_i8x16_u (local.get $both)) (local.get $twice))))
        (local.set $b (i32x4.add (local.get $b) (i32x4.dot_i16x8_s
          (i16x8.extend_high_i8x16_u (local.get $both)) (local.get $twice))))
        (local.set $both (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31
          (local.get $upper) (local.get $lower)))
        (local.set $c (i32x4.add (local.get $c) (i32x4.dot_i16x8_s
          (i16x8.extend_low_i8x16_u (local.get $both)) (local.get $twice))))
        (local.set $d (i32x4.add (local.get $d) (i32x4.dot_i16x8_s
          (i16x8.extend_high_i8x16_u (local.get $both)) (local.get $twice))))
        (local.set $weight (i32.add (local.get $weight) (i32.const 4)))
        (br_if $rows (i32.lt_u (local.get $weight) (local.get $weightsEnd))))
      (v128.store (local.get $to) (i8x16.narrow_i16x8_u
        (i16x8.narrow_i32x4_s
          (i32x4.shr_s (local.get $a) (i32.const 12)) (i32x4.shr_s (local.get $b) (i32.const 12)))
        (i16x8.narrow_i32x4_s
          (i32x4.shr_s (local.get $c) (i32.const 12)) (i32x4.shr_s (local.get $d) (i32.const 12)))))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (br_if $bytes (i32.lt_u (local.get $to) (local.get $toEnd)))))

  ;; One row of RGB pixels out of neighbours in one row. Writes 1 byte more.
  ;; $sources: for each pixel of the result, where its first one is, from $from on, and its weights are.
  (func (export "ofPixels")
    (param $to i32) (param $from i32) (param $sources i32) (param $pixels i32) (param $fours i32)
    (local $sourcesEnd i32) (local $weightsEnd i32) (local $at i32) (local $weight i32)
    (local $four v128) (local $sum v128)
    (local.set $sourcesEnd (i32.add (local.get $sources) (i32.shl (local.get $pixels) (i32.const 3))))
    (loop $results
      (local.set $sum (v128.const i32x4 2048 2048 2048 2048))
      (local.set $at (i32.add (local.get $from) (i32.load (local.get $sources))))
      (local.set $weight (i32.load offset=4 (local.get $sources)))
      (local.set $weightsEnd (i32.add (local.get $weight) (i32.shl (local.get $fours) (i32.const 3))))
      (loop $taps
        ;; Of four pixels: the reds of two, their greens, their blues, and two bytes of no use; twice.
        (local.set $four (v128.load (local.get $at)))
        (local.set $four (i8x16.shuffle 0 3 1 4 2 5 12 15 6 9 7 10 8 11 12 15
          (local.get $four) (local.get $four)))
        (local.set $sum (i32x4.add
          (i32x4.add (local.get $sum) (i32x4.dot_i16x8_s
            (i16x8.extend_low_i8x16_u (local.get $four)) (v128.load32_splat (local.get $weight))))
          (i32x4.dot_i16x8_s
            (i16x8.extend_high_i8x16_u (local.get $four)) (v128.load32_splat offset=4 (local.get $weight)))))
        (local.set $at (i32.add (local.get $at) (i32.const 12)))
        (local.set $weight (i32.add (local.get $weight) (i32.const 8)))
        (br_if $taps (i32.lt_u (local.get $weight) (local.get $weightsEnd))))
      (local.set $sum (i16x8.narrow_i32x4_s (i32x4.shr_s (local.get $sum) (i32.const 12)) (local.get $sum)))
      (v128.store32_lane 0 (local.get $to) (i8x16.narrow_i16x8_u (local.get $sum) (local.get $sum)))
      (local.set $to (i32.add (local.get $to) (i32.const 3)))
      (local.set $sources (i32.add (local.get $sources) (i32.const 8)))
      (br_if $results (i32.lt_u (local.get $sources) (local.get $sourcesEnd))))))
