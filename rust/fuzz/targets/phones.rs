#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    palaver_hostile::phones::run(input);
});
